"""Tells from the folder of a training run whether the run reached its end.

The process of a run holds a lock on a file in the folder. The system frees the lock when the process ends. A process
number would not do: another process may have it by now, or it may belong to another machine.
"""

import fcntl
import json
import os
from pathlib import Path

from deploy.errors import ModelError
from deploy.files import read_bytes

MOST = 64 << 20  # bytes of a run.json
FINISHED = "finished"  # the state of a run that reached its end
LONGEST_STATE = 40
PROOF = "proof"  # the folder of a run with the files by the framework's own exporter, and the certificate
LOCK = ".running"  # the file that a run's process locks
RECORDS = (  # of a run: what it is, and what it has learned
    *("run.json", "recipe.toml", "graph.json", "metrics.jsonl", "metrics.csv", "curves.png", "curves.svg"),
    *("weights.safetensors", "model.onnx", "proof/certificate.json", "checkpoints", "tensorboard", LOCK),
)
MANIFEST = "manifest.json"  # of a package: it has the hash of every other file
PLACES = ("", "1", "uint8/1")  # of a model in a package, from it: one folder deeper each


def is_record(path: Path, run: Path) -> bool:
    """Whether `path` is a record of a run in the folder `run`."""
    return any(path.absolute().is_relative_to(run.absolute() / record) for record in RECORDS)


def owner_of(path: Path) -> str:
    """The run of which `path` is a record, or the package that it is or is in, as words; "" if there is none."""
    path = path.absolute()
    for folder in (path, *path.parents):
        if os.path.isfile(folder / "run.json") and is_record(path, folder):
            return f"the run {folder}"
        if is_package(folder) and os.path.isfile(folder / "verify.py"):
            return f"the package {folder}"
    return ""


def is_package(folder: Path) -> bool:
    """Whether a folder has the manifest of a package, also one that was changed."""
    return os.path.isfile(folder / MANIFEST) and not _is_foreign(folder / MANIFEST)


def package_of(file: Path) -> Path | None:
    """The package that a file is in, as `1/model.onnx` and `uint8/1/model.onnx` are, or None."""
    place = file.absolute()
    folders = zip(place.parents, PLACES, strict=False)
    return next((folder for folder, inner in folders if place.parent == folder / inner and is_package(folder)), None)


def _is_foreign(path: Path) -> bool:
    """Whether a file is of another program, as the manifest of a web application: JSON without our keys."""
    try:
        found = json.loads(read_bytes(path, MOST))
    except (OSError, ValueError, RecursionError):
        return False
    return not isinstance(found, dict) or not {"files", "sha256"} & found.keys()


def is_running(folder: Path) -> bool:
    """Whether a process holds the lock of the run in `folder`; True if the file system cannot tell."""
    try:
        file = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):  # ValueError: no file can have this name
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two checks at once do not see each other
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def run_of(model: Path) -> Path:
    """Where the run of a model is, if it is of one: its folder, also for a file in the run's folder `proof`."""
    folder = model if os.path.isdir(model) else model.parent
    place = folder.resolve()
    return place.parent if place.name == PROOF else folder


def state_of(status: object, running: bool) -> object:
    """The recorded status of a run, or "killed" if the status is "running" but no process runs.

    Find out `running` before you read the status: the run may end in between.
    """
    return "killed" if status == "running" and not running else status


def state_of_run(folder: Path) -> str | None:
    """How the run in a folder ended, or "running"; None for a folder that does not record it, or is not a run's."""
    running = is_running(folder)
    try:
        status = json.loads(read_bytes(folder / "run.json", MOST))["status"]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return None
    return str(state_of(status, running))[:LONGEST_STATE]


def check_finished(folder: Path) -> None:
    """Raise `ModelError` for the folder of an unfinished run: its model is not the final one.

    A folder that does not record a status, or is not a run's, passes.
    """
    if (state := state_of_run(folder)) not in (None, FINISHED):
        raise ModelError(
            f"{folder}: this run is not finished ({state!r}); "
            "give --unfinished (in Python unfinished=True) to use it anyway"
        )
