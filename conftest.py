"""How the tests share a machine: how many processes test side by side, and what a process keeps of what it used."""

import ctypes
import os
import sys
from pathlib import Path

import pytest

WORKER = 2.3  # GiB that a process which tests may take
KEPT = 2**28  # bytes by which a process may grow before what it no longer uses is given back

# glibc keeps freed memory in a pool for each thread, and blocks of up to 32 MiB once one was freed. With these settings
# it uses two pools, and gives blocks of 16 MiB and more back to the system at once.
M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3
os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # for the processes that tests start
if sys.platform == "linux":
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 2**24)

_resident_after_release = 0


def pytest_xdist_auto_num_workers() -> int:
    """Of `-n auto`: a core and enough free memory for each process."""
    from trainspec.runs.machine import processes

    return processes(WORKER)


@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish() -> None:
    """After a test: give memory back if the process has grown."""
    global _resident_after_release
    if "parity.memory" not in sys.modules or _resident() < _resident_after_release + KEPT:
        return
    from parity.memory import release

    release()
    _resident_after_release = _resident()


def _resident() -> int:
    """Bytes of this process that are in memory; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
