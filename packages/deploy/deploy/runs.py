"""The folder of a training run, as far as deployment has to know it: whether the run reached its end.

The process of a run holds a lock on a file in the folder, and the system frees it. A process number would not do:
another process may have it by now, or it may be of another machine.
"""

import fcntl
import json
import os
import stat
from pathlib import Path

from deploy.errors import ModelError

MOST = 64 << 20  # bytes of a run.json
LOCK = ".running"  # the file that a run's process locks


def is_running(folder: Path) -> bool:
    """Whether a process holds the lock of the run in `folder`; True where the file system cannot tell."""
    try:
        file = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two that look do not see one another
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def state_of(status: object, running: bool) -> object:
    """How a run ended by its recorded status: "killed" where it says that it runs, and no process does.

    `running` is to be looked at before the status is read: the run may end meanwhile.
    """
    return "killed" if status == "running" and not running else status


def check_finished(folder: Path) -> None:
    """Raise `ModelError` for the folder of a run that did not reach its end: its model is not what was trained for.

    A folder that does not say so, or is not a run's, is let through.
    """
    file = folder / "run.json"
    running = is_running(folder)
    try:
        found = os.stat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MOST:  # not opened: a FIFO would hang
            return
        status = json.loads(file.read_bytes())["status"]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return
    if status != "finished":
        raise ModelError(
            f"{folder}: this run is not finished ({str(state_of(status, running))[:40]!r}); "
            "give --unfinished (in Python unfinished=True) to use what it has"
        )
