"""Arguments of a command line that are files or folders to write. They are refused before any work is done."""

import os
from pathlib import Path

from deploy.errors import StorageError
from deploy.files import check_file, check_folder
from deploy.options import path
from deploy.runs import is_record, owner_of


def output_file(text: str) -> Path:
    """An argument that is a file to write. Raises `StorageError` where it cannot be, before any work is done."""
    found = path(text)
    check_file(found)
    check_apart(found)
    return found


def output_folder(text: str) -> Path:
    """An argument that is a folder to write into. Raises `StorageError` where it cannot be, before any work is done."""
    found = path(text)
    check_folder(found)
    check_apart(found)
    return found


def check_apart(out: Path | None, *read: object) -> None:
    """Raise `StorageError` if `out` is one of the files that are `read`, or belongs to a run or a package."""
    if out is None:
        return
    if any(isinstance(file, str | Path) and _reads(file, out) for file in read):
        raise StorageError(f"{out} is read, and would be replaced; choose another name")
    if owner := owner_of(out):
        raise StorageError(f"{out} belongs to {owner}, and would be replaced; choose another name")


def check_different(out: Path, *others: Path) -> None:
    """Raise `StorageError` if one of the `others` is the same file as `out`, which need not exist."""
    if any(os.path.realpath(out) == os.path.realpath(other) for other in others):
        raise StorageError(f"{out} is given for two files, and one would replace the other; choose another name")


def _reads(file: str | Path, out: Path) -> bool:
    """Whether who reads `file`, which may be a folder of a run or only a name, reads `out`."""
    if os.path.isdir(file):
        return is_record(out, Path(file))
    try:
        return os.path.samefile(out, file)
    except (OSError, ValueError):  # a name that is not a file
        return False
