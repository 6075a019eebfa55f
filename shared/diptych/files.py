"""Writes files as `deploy.files` does. Every error is a `StorageError`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from deploy import files
from deploy.errors import WriteError
from deploy.files import clear_abandoned as clear_abandoned
from diptych.errors import StorageError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Every `OSError` of the block is a `StorageError`, for `path` or for another file that the error names."""
    with _as_ours(), files.writing(path):
        yield


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path on the same disk; it replaces `path` when the block ends without an error.

    Raises `StorageError` when the operating system refuses.
    """
    with _as_ours(), files.written_whole(path) as temporary:
        yield temporary


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """`written_whole` as an open binary file."""
    with _as_ours(), files.replacing(path) as file:
        yield file


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path`, whole or not at all. Raises `StorageError`."""
    with _as_ours():
        files.write_bytes(path, content)


def make_folder(path: Path) -> Path:
    """Make the folder `path` and its parents if they are missing. Raises `StorageError`."""
    with _as_ours():
        return files.make_folder(path)


def check_folder(path: Path) -> None:
    """Raise `StorageError` if no file can be written into this folder, or if it cannot be made. Nothing is made."""
    with _as_ours():
        files.check_folder(path)


def check_outside(path: Path, data: str | os.PathLike[str]) -> None:
    """Raise `StorageError` if `path` is in the folder `data`: what is written there would become a part of the data."""
    with _as_ours():
        files.check_outside(path, data)


def check_apart(out: Path | None, *read: str | os.PathLike[str] | None) -> None:
    """Raise `StorageError` if `out` is one of the files that are `read`."""
    if out is not None and any(file is not None and os.path.realpath(file) == os.path.realpath(out) for file in read):
        raise StorageError(f"{out} is read, and would be replaced; give another name to --out")


@contextmanager
def _as_ours() -> Iterator[None]:
    try:
        yield
    except WriteError as error:
        raise StorageError(str(error)) from error
