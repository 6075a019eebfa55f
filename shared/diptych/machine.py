"""What a figure was measured on: the machine and the versions. Nothing that names the machine or its user."""

import math
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from diptych import cgroups


def describe_machine() -> dict[str, str | int | float]:
    """`cpu` (its model), `cores` this process may use, `memory_gib`, `os`."""
    return {
        "cpu": _cpu_model(),
        "cores": cores(),
        "memory_gib": _memory_gib(),
        "os": f"{platform.system()} {platform.machine()}",
    }


def cores() -> int:
    """How many this process may use, by its affinity and by the limits of its container."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(count, cgroups.cores())))


def processes(gib: float) -> int:
    """How many processes of that many GiB each can work side by side: by cores and by the memory that is free."""
    return max(1, min(cores(), int(_free_gib() / gib)))


def free_bytes() -> int:
    """Memory that this process can still have, 0 where the system does not say."""
    return int(_free_gib() * 2**30)


def used_bytes() -> int | None:
    """Memory that this process has in use, None where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU that a framework would train on, told without loading one.

    The driver makes `/dev/nvidia0` (under WSL `/dev/dxg`), and CUDA_VISIBLE_DEVICES may hide what is there. A
    framework that was installed for CPUs only trains on the CPU all the same; that is not looked at.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1", "NoDevFiles"):
        return False
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()


def describe_versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of Python and of those of `packages` (distribution names) that are installed."""
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _free_gib() -> float:
    """What processes can still have, within the limits of the container; all there is if the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    available = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    free = int(available[0]) / 2**20 if available else _memory_gib()
    return min(free, cgroups.free_memory() / 2**30)


def _memory_gib() -> float:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return 0.0  # not a POSIX system
