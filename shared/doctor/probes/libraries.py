"""The GPU libraries that a process has really loaded, and their versions. Standard library only."""

import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBRARIES = {  # name for people -> its file, the function that gives its version, and how that reads
    "driver for CUDA": (r"libcuda\.so", "cuDriverGetVersion"),
    "CUDA": (r"libcudart[-\w]*\.so", "cudaRuntimeGetVersion"),
    "cuDNN": (r"libcudnn\.so", "cudnnGetVersion"),
}


def loaded(maps: Path = Path("/proc/self/maps"), load: Callable[[str], Any] = ctypes.CDLL) -> dict[str, str]:
    """The version of each library in this process; without those that it has not loaded."""
    try:
        lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    paths = dict.fromkeys(line[line.index("/") :] for line in lines if "/" in line)
    found = {}
    for name, (file, function) in LIBRARIES.items():
        path = next((path for path in paths if re.match(file, Path(path).name)), None)
        if path:
            found[name] = version_by(load, path, function)
    return found


def version_by(load: Callable[[str], Any], path: str, function: str) -> str:
    """What the library says, or its file's name where it does not say it."""
    try:
        call = getattr(load(path), function)
        if function.startswith("cudnn"):
            call.restype = ctypes.c_size_t
            return of_cudnn(int(call()))
        number = ctypes.c_int(0)
        return of_cuda(number.value) if call(ctypes.byref(number)) == 0 else Path(path).name
    except (OSError, AttributeError):
        return Path(path).name


def of_cuda(number: int) -> str:
    """12040 is 12.4."""
    return f"{number // 1000}.{number % 1000 // 10}"


def of_cudnn(number: int) -> str:
    """90100 is 9.1.0; before version 9, 8902 is 8.9.2."""
    major = 10_000 if number >= 90_000 else 1000
    return f"{number // major}.{number % major // 100}.{number % 100}"
