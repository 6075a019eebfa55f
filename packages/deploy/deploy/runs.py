"""The folder of a training run, as far as deployment has to know it: whether the run reached its end."""

import json
import os
import stat
from pathlib import Path

from deploy.errors import ModelError

MOST = 64 << 20  # bytes of a run.json


def check_finished(folder: Path) -> None:
    """Raise `ModelError` for the folder of a run that did not reach its end: its model is not what was trained for.

    A folder that does not say so, or is not a run's, is let through.
    """
    file = folder / "run.json"
    try:
        found = os.stat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MOST:  # not opened: a FIFO would hang
            return
        status = json.loads(file.read_bytes())["status"]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return
    if status != "finished":
        raise ModelError(
            f"{folder}: this run is not finished (its run.json says {str(status)[:40]!r}); "
            f"give {folder / 'model.onnx'} to use what it has"
        )
