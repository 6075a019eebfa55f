"""Read the archives of data sets, as `deploy.archives` does. Every error is a `DataError` with the archive's name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy import archives
from deploy.archives import SUFFIXES as SUFFIXES, Member as Member, is_archive as is_archive, stem as stem
from deploy.errors import ArchiveError
from diptych.errors import DataError


@contextmanager
def open_archive(path: Path) -> Iterator[Iterator[Member]]:
    """The members of an archive, in its order. Raises `DataError`, here and while members are read."""
    try:
        with archives.open_archive(path) as members:
            yield members
    except ArchiveError as error:
        raise DataError(str(error)) from error


def read_archive(path: Path, wanted: Callable[[str], bool], most: int) -> Iterator[tuple[str, bytes]]:
    """`(name, content)` of each `wanted` file, in the archive's order. Raises `DataError` for one over `most` bytes."""
    try:
        yield from archives.read_archive(path, wanted, most)
    except ArchiveError as error:
        raise DataError(str(error)) from error
