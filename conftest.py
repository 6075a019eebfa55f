"""Lets the tests share a machine: sets the number of test processes and how much freed memory a process keeps."""

import ctypes
import os
import sys

import pytest

WORKER = 2.3  # GiB that a test process may take
FRAMEWORKS = {"keras", "torch"}

# glibc keeps freed memory in a pool for each thread, and keeps blocks of up to 32 MiB once one was freed. With these
# settings it uses two pools and gives blocks of a megabyte and more back to the system at once.
M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3
os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # for the processes that tests start
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each of them would compile all modules
sys.dont_write_bytecode = False  # workers of multiprocessing get this flag
if sys.platform == "linux":
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 2**20)


def pytest_xdist_auto_num_workers() -> int:
    """The number of processes for `-n auto`: each one has a core and enough free memory."""
    from diptych.machine import processes

    return processes(WORKER)


@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish() -> None:
    """After a test: give memory back if the process has grown. Whoever has loaded a framework needs it."""
    if FRAMEWORKS & sys.modules.keys():
        from parity.memory import release

        release()
