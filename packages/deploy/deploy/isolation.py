"""Tries a model in a child process with limits, to find problems that only onnxruntime can find.

A damaged or hostile file can crash a process, hang it, or make it ask for terabytes. `try_model` starts a child that
loads the file on the CPU and runs it on a few images. The child has limits on memory and time and leaves no core dump.
Every failure becomes a `ModelError`. The child runs this module, `python -m deploy.isolation`, with the model on its
standard input.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.errors import ModelError
from deploy.machine import free_bytes

BATCHES = (1, 3)
SECONDS = 30.0  # large files get more, by BYTES_A_SECOND
BYTES_A_SECOND = 20e6
THREADS = 2
VALUES = 9973  # different values of the images; a prime number, so that no two rows are equal
BASE_MEMORY, COPIES, BYTES_A_PIXEL = 2**30, 8, 2**13  # of memory: a fixed part, copies of the file, the values


def memory_limit(size: int, shape: tuple[int, int, int]) -> int:
    """Bytes that a child may fill for a file of `size` bytes and images `(C, H, W)`: at most half of what is free."""
    needed = int(BASE_MEMORY + COPIES * size + BYTES_A_PIXEL * shape[1] * shape[2])
    return min(needed, free_bytes() // 2 or needed)


def try_model(
    content: bytes,
    shape: tuple[int, int, int],
    source: object,
    *,
    batches: Sequence[int] = BATCHES,
    seconds: float = SECONDS,
    memory: int | None = None,
) -> None:
    """Load the model in a child process and run it on `batches` of images of `shape` `(C, H, W)`.

    Raises `ModelError` if that fails, crashes, takes too long or too much memory, or if the output is not finite
    float32 `(N, classes)`.
    """
    memory = memory or memory_limit(len(content), shape)
    seconds += len(content) / BYTES_A_SECOND
    argv = [sys.executable, "-P", "-m", "deploy.isolation"]
    argv += map(str, (memory, int(seconds), *shape, *batches))
    home = str(Path(__file__).parents[1])
    paths = [home, *filter(None, sys.path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
    try:
        child = subprocess.run(  # in a session of its own: a signal to the process group is for the command alone
            argv,
            input=content,
            capture_output=True,
            env=environment,
            timeout=seconds,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"{source}: onnxruntime needed more than {seconds:.0f} seconds") from None
    except OSError as error:
        raise ModelError(f"{source}: cannot be tried in a child process: {error.strerror or error}") from None
    problem = _problem(child, memory)
    if problem:
        raise ModelError(f"{source}: {problem}")


def _problem(child: subprocess.CompletedProcess[bytes], memory: int) -> str:
    """The problem that a child reported, or how the child crashed; empty if there is none."""
    lines = child.stdout.decode(errors="replace").splitlines()
    try:
        report = json.loads(lines[-1]) if lines else None
    except ValueError:
        report = None
    if isinstance(report, dict) and isinstance(report.get("problem"), str):
        return str(report["problem"])
    said = child.stderr.decode(errors="replace")
    if "bad_alloc" in said or "MemoryError" in said:
        return f"loading or running it takes more than {memory / 2**30:.1f} GiB of memory"
    if child.returncode < 0:
        try:
            name = signal.Signals(-child.returncode).name
        except ValueError:
            name = str(-child.returncode)
        return f"it ends the process with {name}"
    last = said.splitlines()[-1:] or [f"status {child.returncode}"]
    return f"it cannot be tried: {last[0][:300]}"


def _limit(memory: int, seconds: int) -> None:
    """Limit this process, so that it fails before it exhausts the machine."""
    try:
        import resource
    except ImportError:  # not a POSIX system: only the time is limited, by the parent
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_DATA: memory,  # writable memory; address space alone costs nothing
        resource.RLIMIT_CPU: (seconds + 1) * cores,
    }
    for limit, value in wanted.items():
        _, most = resource.getrlimit(limit)
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(limit, (value, value))


def _trial(content: bytes, shape: Sequence[int], batches: Sequence[int]) -> str:
    """Run a model. Returns its problem, empty if there is none."""
    import numpy as np

    from deploy import runtime

    try:
        session = runtime.load(content, "it", provider=runtime.CPU, threads=THREADS)
        values = np.linspace(-2, 2, num=VALUES, dtype=np.float32)
        for batch in batches:
            runtime.logits(session, np.resize(values, (batch, *shape)), "it")
    except ModelError as error:
        return str(error).removeprefix("it: ")
    except MemoryError:
        return "loading or running it takes too much memory"
    return ""


def main() -> None:
    memory, seconds, channels, height, width, *batches = map(int, sys.argv[1:])
    _limit(memory, seconds)
    problem = _trial(sys.stdin.buffer.read(), (channels, height, width), batches)
    print(json.dumps({"problem": problem}), flush=True)
    os._exit(0)  # a broken model may also break the runtime's shutdown


if __name__ == "__main__":
    main()
