"""Choose the arithmetic that a machine trains in, and whether it repeats to the bit."""

from pathlib import Path

from diptych.errors import RecipeError

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # the flags in /proc/cpuinfo of a CPU that is fast in bfloat16
PRECISIONS = ("fp64", "fp32", "tf32", "bf16", "fp16")
NO_PROMISE = "two runs with the same seed may differ in the last bits"
BY_CLOCK = "the clock decides the number of steps (--budget), so two runs with the same seed may differ"


def resolve_precision(asked: str, *, on_gpu: bool) -> str:
    """`fp64`, `fp32`, `tf32`, `bf16` or `fp16`: the one `asked` for, or for `auto` the fastest that the machine has.

    Raises `RecipeError` for one that the machine does not have, or for an unknown name.
    """
    if asked == "auto":
        return "bf16" if on_gpu or cpu_has_bfloat16() else "fp32"
    if asked not in PRECISIONS:  # from a run.json that someone changed
        raise RecipeError(f"precision {asked}: not one of {', '.join(PRECISIONS)}")
    if asked in ("tf32", "fp16") and not on_gpu:
        raise RecipeError(f"--precision {asked}: needs a GPU; a CPU can use fp64, fp32 and bf16")
    return asked


def resolve_deterministic(asked: bool | None, *, on_gpu: bool) -> bool:
    """Whether runs repeat to the bit; if nothing is `asked` for, on a CPU."""
    return not on_gpu if asked is None else asked


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX). False if this cannot be found out."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return not BFLOAT16_FLAGS.isdisjoint(flags)
