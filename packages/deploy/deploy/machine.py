"""The machine that a result was measured on. Nothing identifies the machine or its user. Standard library only."""

import os
import platform
from pathlib import Path

from deploy import cgroups


def describe_machine() -> dict[str, str | int | float]:
    """`cpu` (the model), `cores` that this process may use, `memory_gib`, `os`."""
    return {
        "cpu": _cpu_model(),
        "cores": cgroups.usable_cores(),
        "memory_gib": memory_gib(),
        "os": f"{platform.system()} {platform.machine()}",
    }


def memory_gib() -> float:
    """GiB of the whole machine, 0 if the system does not say."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return 0.0  # not a POSIX system


def free_bytes() -> int:
    """Bytes that processes can still use, within the container's limits; all memory if the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    available = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    free = int(available[0]) * 2**10 if available else memory_gib() * 2**30
    return int(min(free, cgroups.free_memory()))


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
