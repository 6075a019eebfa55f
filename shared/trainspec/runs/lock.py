"""Whether the process of a run is alive: it holds a lock on a file in the run's folder, and the system frees it.

A process number would not do: another process may have it by now, or it may be of another machine.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

NAME = ".running"


class RunLock:
    """Held from `__init__` to `release`, or to the end of the process however it ends."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # a file system without locks: then nobody can tell, and the run goes on
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Give the lock back and leave no file. May be called twice."""
        if self._file >= 0:
            with suppress(OSError):
                self.path.unlink()
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.release()


def is_running(folder: Path) -> bool:
    """Whether a process holds the lock of the run in `folder`; True where the file system cannot tell."""
    try:
        file = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two that look do not see one another
    except OSError:
        return True
    finally:
        os.close(file)
    return False
