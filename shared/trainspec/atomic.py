"""Files of bytes that appear whole or not at all, and folders."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from netspec.files import cannot_write, written_whole


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file to write; it takes the place of `path` when the block ends well, and vanishes when it does not.

    Raises `StorageError`.
    """
    with written_whole(path) as temporary, temporary.open("wb") as file:
        yield file


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
