"""The lock that marks a run as still running (see `deploy.runs`)."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from deploy.runs import LOCK


class RunLock:
    """A lock that is held from `__init__` to `release`, or until the process ends in any way. Raises `OSError`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # on a file system without locks, the run goes on without one
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Release the lock and remove its file. May be called twice."""
        if self._file >= 0:
            with suppress(OSError):
                self.path.unlink()
            os.close(self._file)
            self._file = -1
