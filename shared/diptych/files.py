"""Files that are there whole or not at all, folders, and what to tell people when the system refuses."""

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import lock_descriptor

from diptych.errors import StorageError

_PREFIX = ".diptych-"
_TEMPORARY = re.compile(rf"{re.escape(_PREFIX)}[a-z0-9_]{{8}}")
_LONGEST_SUFFIX = 16
_ATTEMPTS = 100
_ADVICE = {
    errno.ENOSPC: "free some room or choose another place",
    errno.EDQUOT: "free some room or choose another place",
    errno.EFBIG: "its file system takes no file of this size; choose another place",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a place that is not read-only",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a file has the name of one of its folders; choose another name",
    errno.EEXIST: "a file has that name; choose another name",
    errno.EISDIR: "a folder has that name; give the name of a file",
    errno.EMFILE: "close other programs, or raise the limit (ulimit -n)",
    errno.EIO: "the disk may be damaged; choose another place",
}


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path to write to on the same disk, which takes the place of `path` when the block ends without an error.

    It has the suffix of `path`, and is in a folder of its own beside it, which is locked as long as its writer lives:
    what a killed one left is cleared away (`clear_abandoned`) when the next file is written there. Raises
    `StorageError` when the operating system refuses (a full disk, a read-only folder, a name that is too long).
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_unusable(path)  # now, not after all of it was written
        clear_abandoned(path.parent)
        with _own_folder(path.parent) as folder:
            suffix = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_SUFFIX else ""
            temporary = folder / f"file{suffix}"
            temporary.touch()
            permissions = stat.S_IMODE(temporary.stat().st_mode)  # an ordinary file's, whatever its writer makes of it
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(permissions)
            temporary.replace(path)
        _keep_name(path.parent)
    except OSError as error:
        raise cannot_write(_refused(path, error), error) from error


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


def clear_abandoned(folder: Path) -> None:
    """Remove what writers that were killed left half-made in `folder`, and nothing that anyone still writes.

    A writer holds a lock on its temporary folder, which ends with its process. What cannot be looked at stays.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError), _locked(Path(entry.path)) as locked:
                    if locked:
                        shutil.rmtree(entry.path, ignore_errors=True)


def cannot_write(path: Path, error: OSError) -> StorageError:
    """What to tell someone to whom the operating system refused `path`."""
    advice = _ADVICE.get(error.errno or 0, "choose another place")
    return StorageError(f"{path} cannot be written: {error.strerror or error}; {advice}")


def _refused(path: Path, error: OSError) -> Path:
    """`path`, unless its writer was refused a file elsewhere (say, one under /tmp) that the error names."""
    if not isinstance(error.filename, str):
        return path
    named = Path(error.filename)
    ours = named.is_relative_to(path.parent) or path.is_relative_to(named)
    return path if ours else named


def _refuse_unusable(path: Path) -> None:
    """Raise the `OSError` of a name that cannot be given to a file."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(kind):
        raise OSError(errno.EINVAL, "it is not an ordinary file")


@contextmanager
def _own_folder(parent: Path) -> Iterator[Path]:
    """A new folder with a lock on it, removed at the end with all that is in it."""
    for _ in range(_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=_PREFIX))
        try:
            with _locked(folder) as locked:
                # Someone may lock it, or have cleared it away, before it is locked here.
                if locked is not False and folder.exists():
                    yield folder
                    return
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


@contextmanager
def _locked(folder: Path) -> Iterator[bool | None]:
    """Whether `folder` could be locked until the end of the block; None where the file system has no locks."""
    descriptor = None
    locked = None
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        locked = lock_descriptor(descriptor, blocking=False)
    try:
        yield locked
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _keep_name(folder: Path) -> None:
    """Have the disk keep the new name too. Not every file system can; the content is safe already."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
