"""Files that appear whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from netspec.errors import DiptychError


class StorageError(DiptychError):
    """A file or folder cannot be written: no room, no permission."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file to write; it takes the place of `path` when the block ends well, and vanishes when it does not.

    Raises `StorageError` when the operating system refuses (a full disk, a read-only folder).
    """
    temporary: Path | None = None
    try:
        # In the same folder, because a rename is atomic only within one file system.
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp's 0600 would keep colleagues from reading a run
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` as `path`, whole or not at all. Raises `StorageError`."""
    with replacing(path) as file:
        file.write(content)


def make_folder(path: Path) -> Path:
    """The folder `path`, made with its parents where it is missing. Raises `StorageError`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def cannot_write(path: Path, error: OSError) -> StorageError:
    """What to tell someone whose disk refused `path`."""
    return StorageError(f"{path} cannot be written: {error.strerror or error}; free some room or choose another place")
