"""The lock by which a living run is known (see `deploy.runs`)."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from deploy.runs import LOCK


class RunLock:
    """Held from `__init__` to `release`, or to the end of the process however it ends. Raises `OSError`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
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
