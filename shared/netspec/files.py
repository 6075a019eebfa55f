"""Files that are there whole or not at all, and folders."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from netspec.errors import StorageError


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path to write to in the same folder, which takes the place of `path` when the block ends without an error.

    Raises `StorageError` when the operating system refuses (a full disk, a read-only folder).
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder, because a rename is atomic only within one file system.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp's 0600 would keep colleagues from reading a run
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """`written_whole` as a binary file to write."""
    with written_whole(path) as temporary, temporary.open("wb") as file:
        yield file


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
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
