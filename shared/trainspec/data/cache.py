"""Keep decoded images on disk. If the cache is missing, damaged or not writable, a run takes longer but works."""

import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from deploy.files import make_folder, replacing
from diptych.errors import StorageError

Notice = Callable[[str], None]
Arrays = Mapping[str, NDArray[np.generic]]


def cache_folder() -> Path:
    """`$DIPTYCH_CACHE`, or else `diptych` in `$XDG_CACHE_HOME`, or else in `~/.cache`.

    Raises `StorageError` for a user without a home folder.
    """
    if chosen := os.environ.get("DIPTYCH_CACHE"):
        return Path(os.path.expanduser(chosen))
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):  # the XDG standard says to ignore a relative path
        return Path(base) / "diptych"
    try:
        return Path.home() / ".cache" / "diptych"
    except RuntimeError as error:
        raise StorageError(
            "there is no home folder for downloads and decoded images; set DIPTYCH_CACHE to a folder"
        ) from error


def cached(name: str, make: Callable[[], Arrays], is_right: Callable[[Arrays], bool], notice: Notice) -> Arrays:
    """The arrays of the cache entry `name`. If it is missing, damaged or not `is_right`, they come from `make`."""
    try:
        path = cache_folder() / "decoded" / f"{name}.npz"
    except StorageError as error:
        notice(f"the decoded images are not saved for the next run: {error}")
        return make()
    with suppress(Exception):  # an entry that is missing or damaged in any way is made again
        arrays = _read(path)
        if is_right(arrays):
            return arrays
    arrays = make()
    try:
        make_folder(path.parent)
        with replacing(path) as file:
            np.savez(file, allow_pickle=False, **arrays)
    except StorageError as error:
        notice(f"the decoded images are not saved for the next run: {error}")
    return arrays


def _read(path: Path) -> Arrays:
    """The arrays of an entry. May raise anything if `np.savez` did not write it."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not an ordinary file")
    with path.open("rb") as file:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > status.st_size:
                raise ValueError("more content than file")  # impossible for savez, because it does not compress
            for member in members:
                _check_header(archive, member)
        file.seek(0)
        with np.load(file, allow_pickle=False) as entry:
            return {key: entry[key] for key in entry.files}  # reading checks the zip's CRCs


def _check_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Raise `ValueError` unless an array's header fits its content. NumPy would allocate the memory of a wrong one."""
    with archive.open(member) as content:
        if npy.read_magic(content) != (1, 0):  # type: ignore[no-untyped-call]
            raise ValueError("another version of npy")
        shape, _, dtype = npy.read_array_header_1_0(content)  # type: ignore[no-untyped-call]
        size = dtype.itemsize
        for length in shape:
            size *= length
        if dtype.hasobject or content.tell() + size != member.file_size:
            raise ValueError("a header that does not fit its content")
