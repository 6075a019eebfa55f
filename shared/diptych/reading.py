"""Reads whole files, after checking their kind and size.

Reading a FIFO would hang, a device never ends, and a file of gigabytes is not what it claims to be.
"""

import errno
import hashlib
import os
import stat
from pathlib import Path

from deploy import files
from diptych.errors import DataError, DiptychError

MOST = 64 << 20  # bytes: the limit for a text that a person or this project wrote


def read_bytes(
    path: str | os.PathLike[str], error: type[DiptychError] = DataError, *, most: int = MOST, missing: str = ""
) -> bytes:
    """The content of an ordinary file of at most `most` bytes.

    Raises `error` with one line that names the file; `missing` is the message if the file does not exist.
    """
    check_file(path, error, most=most, missing=missing)
    try:
        return files.read_bytes(path, most)
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}") from None


def sha256_of(path: str | os.PathLike[str], error: type[DiptychError] = DataError) -> str:
    """The SHA-256 of an ordinary file of any size. Raises `error` with one line that names the file."""
    try:
        with check_file(path, error).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}") from None


def is_absent(path: str | os.PathLike[str]) -> bool:
    """Whether nothing has this name, not even a broken link. False if that cannot be determined."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def check_file(
    path: str | os.PathLike[str], error: type[DiptychError] = DataError, *, most: int | None = None, missing: str = ""
) -> Path:
    """`path`, if it is an ordinary file of at most `most` bytes, or a link to one. Raises `error` if not."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise error(missing or f"{path} cannot be read: {os.strerror(errno.ENOENT)}") from None
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}") from None
    except ValueError as problem:  # a NUL, or characters that file names cannot have
        raise error(f"{path} cannot be read: {problem}") from None
    if stat.S_ISDIR(found.st_mode):
        raise error(f"{path} cannot be read: {os.strerror(errno.EISDIR)}")
    if not stat.S_ISREG(found.st_mode):
        raise error(f"{path} cannot be read: it is not an ordinary file")
    if most is not None and found.st_size > most:
        raise error(f"{path} cannot be read: it has {found.st_size:,} bytes; at most {most:,} are read")
    return Path(path)
