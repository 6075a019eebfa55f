"""The machine and the versions that a result was measured on. Nothing identifies the machine or its user."""

import os
import platform
import resource
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from deploy import cgroups
from deploy.machine import describe_machine as describe_machine, free_bytes as free_bytes


def cores() -> int:
    """How many cores this process may use, by its affinity and by the limits of its container."""
    return cgroups.usable_cores()


def processes(gib: float) -> int:
    """How many processes of `gib` GiB each can run side by side, by cores and free memory."""
    return max(1, min(cores(), int(free_bytes() / (gib * 2**30))))


def used_bytes() -> int | None:
    """Bytes of memory that this process uses; None if the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def peak_bytes() -> int:
    """The most bytes of memory that this process has used at a time since its start."""
    unit = 1 if platform.system() == "Darwin" else 1024  # of `ru_maxrss`
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU for a framework to train on, found without loading a framework.

    The driver makes `/dev/nvidia0`, or brings its library into WSL, where `/dev/dxg` is any GPU. CUDA_VISIBLE_DEVICES
    may hide GPUs. A framework that was installed for CPUs only still trains on the CPU; that is not checked.
    """
    if hides_gpus():
        return False
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/usr/lib/wsl/lib/libcuda.so.1").exists()


def hides_gpus() -> bool:
    """Whether CUDA_VISIBLE_DEVICES hides every GPU."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1", "NoDevFiles")


def describe_versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of Python and of the installed ones among `packages` (distribution names)."""
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
