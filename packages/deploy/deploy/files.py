"""Files that are written whole or not at all, and refused before the work where they cannot be written.

What a killed writer left is cleared away by the next one in the folder. Only ordinary files are read. Standard library
only.
"""

import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from deploy.errors import StorageError

NOT_ORDINARY = "it is not an ordinary file"
_PREFIX = ".diptych-"
_TEMPORARY = re.compile(rf"{re.escape(_PREFIX)}[a-z0-9_]{{8}}")
_LONGEST_SUFFIX = 16
_ATTEMPTS = 100
_FULL = (errno.ENOSPC, errno.EDQUOT)
_ADVICE = {
    **dict.fromkeys(_FULL, "free some room or choose another place"),
    errno.EFBIG: "the file system there does not allow a file of this size; choose another place",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that is not read-only",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "one of the folders in this path is a file; choose another path",
    errno.EEXIST: "a file has this name, or that of one of its folders; choose another name",
    errno.EISDIR: "a folder of this name exists; give the name of a file",
    errno.EMFILE: "close other programs, or raise the limit (ulimit -n)",
    errno.EIO: "the disk may be damaged; choose another place",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Every `OSError` of the block is a `StorageError`, for `path` or for another file that the error names.

    A path that no file can have is one before the block.
    """
    if not is_file_name(path):
        raise StorageError(f"{path} cannot be written: no file can have this name; choose another one")
    try:
        yield
    except OSError as error:
        refused = _refused(path, error)
        advice = _ADVICE.get(error.errno or 0, "choose another place")
        temporary = tempfile.tempdir or os.environ.get("TMPDIR") or "/tmp"  # gettempdir() would write there first
        if error.errno in _FULL and refused.is_relative_to(temporary):
            advice += ", for temporary files by TMPDIR"
        raise StorageError(f"{refused} cannot be written: {error.strerror or error}; {advice}") from error


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path on the same disk; it replaces `path` when the block ends without an error.

    It has the suffix of `path` and is in a folder of its own beside `path`. That folder is locked while its writer
    lives. If the writer is killed, the next write to the parent folder clears the remains away (`clear_abandoned`).
    Raises `StorageError` when the operating system refuses (a full disk, a read-only folder, a name that is too long).
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        check_file(path)  # now, not after everything was written
        clear_abandoned(path.parent)
        with own_folder(path.parent) as folder:
            suffix = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_SUFFIX else ""
            temporary = folder / f"file{suffix}"
            temporary.touch()
            permissions = stat.S_IMODE(temporary.stat().st_mode)  # restored below if its writer changes them
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(permissions)
            temporary.replace(path)
        _keep_name(path.parent)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """`written_whole` as an open binary file."""
    with written_whole(path) as temporary, temporary.open("wb") as file:
        yield file


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path`, whole or not at all. Raises `StorageError`."""
    with replacing(path) as file:
        file.write(content)


def write_together(folder: str | os.PathLike[str], files: Mapping[str, bytes]) -> None:
    """Write the content of `files`, by name, into `folder`, each of them whole. Raises `StorageError`.

    All are written before the first one replaces an older file.
    """
    folder = Path(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        clear_abandoned(folder)
        for name in files:
            check_file(folder / name)
        with own_folder(folder) as temporary:
            for name, content in files.items():
                with writing(folder / name), (temporary / name).open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            for name in files:
                (temporary / name).replace(folder / name)
        _keep_name(folder)


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """At most `most` bytes of an ordinary file. Raises `OSError`, also for another kind of file: a FIFO would hang."""
    if not is_file_name(path):
        raise OSError(errno.EINVAL, "no file can have this name")
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise _refusal(errno.EISDIR) if os.path.isdir(path) else OSError(errno.EINVAL, NOT_ORDINARY)
    # Without O_NONBLOCK, opening would hang if a FIFO has just replaced the file.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(min(most, os.fstat(file.fileno()).st_size + 1))  # it takes memory for all that it may read


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a folder; False for a name that no file can have. Raises `OSError` where one may not look."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            return False
        raise


def make_folder(path: Path) -> Path:
    """Make the folder `path` and its parents if they are missing. Raises `StorageError`."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def is_file_name(path: str | os.PathLike[str]) -> bool:
    """Whether a path is text that the system takes: not empty, without a NUL and without lone surrogates."""
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return bool(name) and b"\0" not in name


def check_file(path: Path) -> None:
    """Raise `StorageError` if no file can be written under this name. Nothing is made."""
    with writing(path):
        try:
            kind = path.stat().st_mode
        except FileNotFoundError:
            kind = stat.S_IFREG
        if stat.S_ISDIR(kind):
            raise _refusal(errno.EISDIR)
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, NOT_ORDINARY)
        _check_nearest(path.parent)


def check_folder(path: Path) -> None:
    """Raise `StorageError` if no file can be written into this folder, or if it cannot be made. Nothing is made."""
    with writing(path):
        _check_nearest(path)


def _check_nearest(path: Path) -> None:
    """Raise `OSError` unless the folder `path`, or its nearest parent that exists, can be written to."""
    there = next(folder for folder in (path, *path.absolute().parents) if os.path.lexists(folder))
    if not stat.S_ISDIR(there.stat().st_mode):
        raise _refusal(errno.EEXIST)
    if not os.access(there, os.W_OK | os.X_OK):
        raise _refusal(errno.EROFS if os.statvfs(there).f_flag & os.ST_RDONLY else errno.EACCES)


def check_outside(path: Path, data: str | os.PathLike[str]) -> None:
    """Raise `StorageError` if `path` is in the folder `data`: what is written there would become a part of the data."""
    folder = Path(data).expanduser()
    if os.path.isdir(folder) and path.resolve().is_relative_to(folder.resolve()):
        raise StorageError(f"{path} is in the folder of the data, {data}; choose a folder outside it")


def clear_abandoned(folder: Path) -> None:
    """Remove temporary folders that killed writers left in `folder`; folders still in use stay.

    A writer holds a lock on its temporary folder, and the lock ends with its process. A folder that cannot be inspected
    stays.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError), locked(Path(entry.path)) as held:
                    if held:
                        shutil.rmtree(entry.path, ignore_errors=True)


def _refusal(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _refused(path: Path, error: OSError) -> Path:
    """The path that was refused: `path`, unless the error names a file elsewhere (for example under /tmp)."""
    if not isinstance(error.filename, str):
        return path
    named = Path(error.filename)
    ours = named.is_relative_to(path.parent) or path.is_relative_to(named)
    return path if ours else named


@contextmanager
def own_folder(parent: Path) -> Iterator[Path]:
    """A new folder, locked if the file system has locks, and removed at the end with everything in it."""
    for _ in range(_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=_PREFIX))
        try:
            with locked(folder) as held:
                # Another process may lock it or clear it away before it is locked here.
                if held is not False and folder.exists():
                    yield folder
                    return
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[bool | None]:
    """Whether `folder` could be locked until the end of the block; None if the file system has no locks.

    With `wait`, wait until other processes have released it.
    """
    descriptor = None
    held = None
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            held = True
        except BlockingIOError:
            held = False
    try:
        yield held
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _keep_name(folder: Path) -> None:
    """Make the disk keep the new name too. Not every file system can; the content is already safe."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
