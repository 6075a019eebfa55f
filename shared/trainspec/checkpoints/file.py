"""A checkpoint on the disk: tensors as safetensors, all else as JSON. No code in it is ever run.

`step-120.safetensors` is written first, then `step-120.json`, each whole or not at all. The JSON has the SHA-256 of the
tensors and of itself, so a checkpoint counts when its JSON is there, and any changed byte is noticed.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.files import make_folder, write_bytes, writing, written_whole
from diptych.errors import DiptychError, StorageError
from diptych.reading import check_file, is_absent, read_bytes, sha256_of
from netspec.init import Weights
from netspec.tensor_file import read_tensors, save_tensors

FOLDER = "checkpoints"  # in the folder of a run
SCHEMA = 1
MARGIN = 1 << 16  # bytes beside the two files: blocks that are not full, and the folders
_NAME = re.compile(r"step-(\d{1,15})\.(?:json|safetensors)")


class CheckpointError(DiptychError):
    """A checkpoint is damaged, or belongs to another training."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training after `step` steps: `tensors` are those of `Trainer.state`, `content` is all else as plain JSON."""

    step: int
    tensors: Weights
    content: Mapping[str, Any]


def name_of(step: int) -> str:
    """The name of a checkpoint, without a suffix."""
    return f"step-{step}"


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint into `folder`, which is made. Raises `StorageError`; older checkpoints stay as they are."""
    name = name_of(checkpoint.step)
    file = make_folder(folder) / f"{name}.safetensors"
    size = sum(array.nbytes for array in checkpoint.tensors.values())
    _check_room(file, size + len(_encoded(checkpoint.content)) + MARGIN)
    with written_whole(file) as temporary:
        try:
            with writing(file):
                save_tensors(checkpoint.tensors, temporary)
        except StorageError as error:
            raise StorageError(f"{error}; it takes {size:,} bytes") from None
        digest = sha256_of(temporary, CheckpointError)
    values = {"schema": SCHEMA, "tensors": {"file": file.name, "sha256": digest}, **checkpoint.content}
    write_bytes(folder / f"{name}.json", _signed(values))


def load(folder: Path, step: int) -> Checkpoint:
    """Read a checkpoint. Raises `CheckpointError`, which names the file, where one is missing or was changed."""
    content = verified(folder, step)
    return Checkpoint(step, dict(read_tensors(folder / content["tensors"]["file"]).tensors), content)


def verified(folder: Path, step: int) -> dict[str, Any]:
    """All of a checkpoint but its tensors, which are compared with their SHA-256. Raises as `load` does."""
    path = folder / f"{name_of(step)}.json"
    values = _read_signed(path)
    file = check_file(folder / f"{name_of(step)}.safetensors", CheckpointError)
    if values.get("schema") != SCHEMA or values.get("tensors", {}).get("file") != file.name:
        raise CheckpointError(f"{path} is not of schema {SCHEMA}, or not the one of {file.name}")
    if values["tensors"]["sha256"] != sha256_of(file, CheckpointError):
        raise CheckpointError(f"{file} is damaged: its content does not match the SHA-256 in {path.name}")
    return values


def steps_in(folder: Path) -> list[int]:
    """The steps of the checkpoints in `folder`, the newest first. What was not written to its end does not count.

    There are none where nothing has this name. Raises `CheckpointError` for a folder that cannot be listed: a training
    would begin anew over what is there.
    """
    if is_absent(folder):
        return []
    try:
        matches = [_NAME.fullmatch(name) for name in os.listdir(folder) if name.endswith(".json")]
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be listed: {error.strerror or error}") from None
    return sorted((int(match[1]) for match in matches if match), reverse=True)


def newest(folder: Path) -> tuple[Checkpoint | None, dict[int, str]]:
    """The newest good checkpoint in `folder`, None if there is none; and what is wrong with the others, by their step.

    All are read, also older ones: one of them may have the best weights.
    """
    found, damaged = None, {}
    for step in steps_in(folder):
        try:
            if found is None:
                found = load(folder, step)
            else:
                verified(folder, step)
        except DiptychError as error:
            damaged[step] = " ".join(str(error).split())
    return found, damaged


def remove_others(folder: Path, kept: set[int]) -> None:
    """Remove all checkpoints but those of the steps `kept`. What cannot be removed stays."""
    for path in sorted(folder.iterdir()):  # of one checkpoint, the JSON first
        match = _NAME.fullmatch(path.name)
        if match and int(match[1]) not in kept:
            with suppress(OSError):
                path.unlink()


def _check_room(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise StorageError(
            f"{path} cannot be written: it takes {needed / 2**20:,.1f} MiB, and {(needed - free) / 2**20:,.1f} MiB of "
            "room are missing; free some room"
        )


def _encoded(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, indent=1).encode()


def _signed(values: Mapping[str, Any]) -> bytes:
    """JSON with the SHA-256 of itself without it."""
    return _encoded({**values, "sha256": hashlib.sha256(_encoded(values)).hexdigest()})


def _read_signed(path: Path) -> dict[str, Any]:
    """The values in a file that `_signed` made."""
    text = read_bytes(path, CheckpointError)
    try:
        values = json.loads(text)
        del values["sha256"]
        intact = _signed(values) == text
    except (ValueError, LookupError, TypeError, RecursionError):
        intact = False
    if not intact:
        raise CheckpointError(f"{path} is damaged: its content does not match its own SHA-256")
    return dict(values)
