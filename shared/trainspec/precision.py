"""Which arithmetic a machine trains in."""

from pathlib import Path

from diptych.errors import RecipeError

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # as /proc/cpuinfo calls what makes bfloat16 fast on a CPU


def resolve_precision(asked: str, *, on_gpu: bool) -> str:
    """`asked`, or for `auto` the fastest that the machine has: `fp64`, `fp32`, `tf32`, `bf16` or `fp16`.

    Raises `RecipeError` for one that the machine does not have.
    """
    if asked == "auto":
        return "bf16" if on_gpu or cpu_has_bfloat16() else "fp32"
    if asked in ("tf32", "fp16") and not on_gpu:
        raise RecipeError(f"--precision {asked}: needs a GPU; on a CPU there are fp64, fp32 and bf16")
    return asked


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU multiplies bfloat16 itself (AVX512-BF16 or AMX); False where that cannot be told."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return not BFLOAT16_FLAGS.isdisjoint(flags)
