"""Walks the folder of a data set. Hidden files and what operating systems make are left out, with the reason."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OF_SYSTEMS = ("__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir", "$RECYCLE.BIN", "System Volume Information")
HIDDEN, SYSTEM, LOOP = "hidden", "made by the operating system", "a link to a folder around it"


@dataclass(frozen=True)
class Entry:
    """A file or folder, by its path inside the set. `status`: `(size, mtime in ns)` of a file."""

    name: str
    is_folder: bool
    status: tuple[int, int] = (0, 0)
    reason: str = ""  # why it is left out, if its name already says so


def walk(path: Path) -> Iterator[Entry]:
    """Everything below a folder, sorted within each folder. Links to folders are followed, but not in circles.

    Hidden folders and system folders are listed but not entered. Raises `OSError` for a folder that cannot be read.
    """
    status = path.stat()
    waiting = [("", frozenset([(status.st_dev, status.st_ino)]))]
    while waiting:
        folder, around = waiting.pop()
        with os.scandir(path / folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        deeper = []
        for entry in found:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if reason := reason_of_part(entry.name):
                yield Entry(name, is_folder=False, reason=reason)
            elif _is_folder(entry):
                status = entry.stat()
                this = (status.st_dev, status.st_ino) if status.st_ino else (0, hash(name))
                if this in around:
                    yield Entry(name, is_folder=True, reason=LOOP)
                    continue
                yield Entry(name, is_folder=True)
                deeper.append((name, around | {this}))
            else:
                yield Entry(name, is_folder=False, status=_size_and_time(entry))
        waiting += reversed(deeper)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links
        return False


def _size_and_time(entry: "os.DirEntry[str]") -> tuple[int, int]:
    try:
        status = entry.stat()
    except OSError:  # a link to nothing, or a circle of links
        return 0, 0
    return status.st_size, status.st_mtime_ns


def reason_of_part(part: str) -> str:
    """Why a file or folder of this name is left out; empty if it is not."""
    return HIDDEN if part.startswith(".") else SYSTEM if part in OF_SYSTEMS else ""
