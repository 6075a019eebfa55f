"""The lock that marks a run as still running (see `deploy.runs`)."""

import errno
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
        for attempt in range(ATTEMPTS):
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # `is_running` holds it for a moment, another process of the run for long
                os.close(self._file)
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(PAUSE)
            except OSError:  # on a file system without locks, the run goes on without one
                return
            else:
                if self._is_current():
                    return
                os.close(self._file)  # its holder removed the file between the two calls
        raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))

    def _is_current(self) -> bool:
        """Whether the file that is locked is still the one of this name. Another process may have locked a new one."""
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self.path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Release the lock and remove its file. May be called twice."""
        if self._file >= 0:
            with suppress(OSError):
                self.path.unlink()
            os.close(self._file)
            self._file = -1
