"""The lock that marks a run as still running (see `deploy.runs`)."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from deploy.runs import LOCK

ATTEMPTS, PAUSE = 20, 0.02  # to take the lock; seconds between two of them


class RunLock:
    """A lock that is held from `__init__` to `release`, or until the process ends in any way.

    Raises `OSError`; it is a `BlockingIOError` if another process holds the lock.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        for attempt in range(ATTEMPTS):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # `is_running` holds it for a moment, another process of the run for long
                if attempt == ATTEMPTS - 1:
                    os.close(self._file)
                    raise
                time.sleep(PAUSE)
            except OSError:  # on a file system without locks, the run goes on without one
                break
            else:
                break

    def release(self) -> None:
        """Release the lock and remove its file. May be called twice."""
        if self._file >= 0:
            with suppress(OSError):
                self.path.unlink()
            os.close(self._file)
            self._file = -1
