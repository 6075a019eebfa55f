"""Read the files of a zip, tar or tar.gz archive in memory. Nothing is extracted to the disk.

Archives are not trusted. Sizes are checked before anything is unpacked. Members that an archive of images never needs
are refused. Every error of the libraries becomes an `ArchiveError` with the archive's name.
"""

import gzip
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

from deploy.errors import ArchiveError, first_line
from deploy.shell import printable

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_MEMBERS = 500_000
MAX_DIRECTORY = 1 << 25  # bytes of a zip's list of members, about 400,000 of them: zipfile reads the list whole
MAX_NAME = 4096
UTF8_FLAG, UNICODE_PATH = 0x800, 0x7075  # of a zip: the flag of a member, and the number of an extra field
MAX_HEADER = 1 << 20  # bytes that tarfile may read at once: it trusts a header's length of a name
MAX_RATIO = 200  # unpacked size to packed size; images hardly shrink, but headers of many tiny ones do
FREE_RATIO = 1 << 26  # bytes that may be unpacked whatever the ratio
BLOCK = 1 << 20


@dataclass(frozen=True)
class Member:
    """A file or folder of an archive. `read(most)` gives at most `most` bytes; call it before the next member."""

    name: str
    is_folder: bool
    size: int
    read: Callable[[int], bytes]


def is_archive(path: Path) -> bool:
    """Whether `path` has the suffix of a supported archive."""
    return path.name.lower().endswith(SUFFIXES)


def stem(path: Path) -> str:
    """The last part of `path`, without an archive suffix."""
    name = path.name
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


@contextmanager
def open_archive(path: Path) -> Iterator[Iterator[Member]]:
    """The members of an archive, in its order. No member is skipped silently.

    Raises `ArchiveError`, here and while members are read: for a damaged archive, for content that is far larger than
    the archive, and for the first member that is a link, a device or a sparse file, or that has an absolute path, a
    `..` or a NUL in its name.
    """
    with ExitStack() as stack:
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise ArchiveError(f"{path}: not an ordinary file")
            file = stack.enter_context(path.open("rb"))
        except OSError as error:
            raise _damaged(path, error) from error
        members = _zip if path.name.lower().endswith(".zip") else _tar
        yield _counted(members(file, FREE_RATIO + MAX_RATIO * status.st_size), path)


def read_archive(path: Path, wanted: Callable[[str], bool], most: int) -> Iterator[tuple[str, bytes]]:
    """`(name, content)` of each `wanted` file, in the archive's order.

    Raises `ArchiveError` for a file over `most` bytes.
    """
    with open_archive(path) as members:
        for member in members:
            if not member.is_folder and wanted(member.name):
                if member.size > most:
                    raise ArchiveError(
                        f"{path}: {printable(member.name)} has {member.size:,} bytes; at most {most:,} are read"
                    )
                yield member.name, member.read(most)


def _counted(members: Iterator[Member], path: Path) -> Iterator[Member]:
    """The members, each one checked. Errors of the libraries become `ArchiveError`."""

    def guarded(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
        def guarded_read(most: int) -> bytes:
            try:
                return read(most)
            except Exception as error:
                raise _damaged(path, error) from error

        return guarded_read

    try:
        for count, member in enumerate(members, 1):
            if count > MAX_MEMBERS:
                raise ArchiveError(f"{path}: more than {MAX_MEMBERS:,} members; unpack it and give the folder")
            _check_name(path, member.name)
            yield Member(member.name, member.is_folder, member.size, guarded(member.read))
    except (ArchiveError, GeneratorExit):
        raise
    except _RefusedError as error:
        raise ArchiveError(f"{path}: {error}") from error
    except Exception as error:  # a hostile archive makes tarfile and zipfile raise anything, as struct.error
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ArchiveError:
    if isinstance(error, ArchiveError):
        return error
    if isinstance(error, _RefusedError):
        return ArchiveError(f"{path}: {error}")
    reason = printable(first_line(error).rstrip(":"))
    plain = OSError | RuntimeError | NotImplementedError
    if isinstance(error, plain) and not isinstance(error, RecursionError | gzip.BadGzipFile):
        reason = (error.strerror if isinstance(error, OSError) else None) or reason
        return ArchiveError(f"{path}: cannot be read ({reason})")  # from zipfile: encrypted, or an unknown compression
    return ArchiveError(f"{path}: the archive is truncated or damaged ({reason}); fetch it again")


class _RefusedError(Exception):
    """Says what is wrong with a member. The archive's name is added later."""


def _zip(file: BinaryIO, allowed: int) -> Iterator[Member]:
    _check_directory(file)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        for member in members:
            allowed -= member.file_size
            name = _zip_name(member)
            kind = stat.S_IFMT(member.external_attr >> 16)
            _refuse_special(name, kind in (0, stat.S_IFREG, stat.S_IFDIR), sparse=False)
            if allowed < 0 or member.file_size < 0:
                raise _RefusedError(
                    f"it unpacks to more than {MAX_RATIO} times its size; unpack it and give the folder"
                )
            yield Member(name, member.is_dir(), member.file_size, _zip_reader(archive, member))


def _zip_name(member: zipfile.ZipInfo) -> str:
    """A member's name. zipfile reads it as CP437 unless a flag says UTF-8, which Info-ZIP and macOS do not set."""
    if member.flag_bits & UTF8_FLAG:
        return member.orig_filename
    raw = member.orig_filename.encode("cp437")
    for place in _extra_fields(member.extra, UNICODE_PATH):
        if place[:1] == b"\1" and place[1:5] == zlib.crc32(raw).to_bytes(4, "little"):  # of the name that it replaces
            raw = place[5:]
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return member.orig_filename


def _extra_fields(extra: bytes, wanted: int) -> Iterator[bytes]:
    """The contents of the fields with the number `wanted`."""
    position = 0
    while position + 4 <= len(extra):
        number, length = (int.from_bytes(extra[at : at + 2], "little") for at in (position, position + 2))
        if number == wanted:
            yield extra[position + 4 : position + 4 + length]
        position += 4 + length


def _zip_reader(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[int], bytes]:
    def read(most: int) -> bytes:
        with archive.open(member) as content:
            return content.read(most) + content.read(0 if most < member.file_size else 1)  # the end checks the CRC

    return read


def _check_directory(file: BinaryIO) -> None:
    """Refuse a zip with too long a list of members: `ZipFile` reads the whole list when it opens the file."""
    end: Any = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if end and end[zipfile._ECD_SIZE] > MAX_DIRECTORY:  # type: ignore[attr-defined]
        raise _RefusedError("too many members; unpack it and give the folder")
    file.seek(0)


def _tar(file: BinaryIO, allowed: int) -> Iterator[Member]:
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    content = _Bounded(gzip.GzipFile(fileobj=file), allowed) if packed else _Bounded(file, sys.maxsize)
    with tarfile.open(fileobj=content, mode="r:") as archive:  # type: ignore[call-overload]
        while (member := archive.next()) is not None:
            archive.members.clear()  # otherwise tarfile keeps all of them
            plain = member.isreg() or member.isdir()
            _refuse_special(member.name, plain, sparse=member.issparse())
            if member.size < 0:
                raise tarfile.ReadError("a negative size")
            if content.allowed < member.offset_data + member.size:
                raise _RefusedError(
                    f"it unpacks to more than {MAX_RATIO} times its size; unpack it and give the folder"
                )
            yield Member(member.name, member.isdir(), member.size, _tar_reader(content, member))
        # For tarfile, a cut between two members or a damaged header is the end of the archive.
        content.seek(archive.offset)
        if content.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("no end mark")
        while block := content.read(BLOCK):  # to the end, where gzip checks its sum
            if block.count(0) < len(block):
                raise tarfile.ReadError("something follows the end mark")


def _tar_reader(content: "_Bounded", member: tarfile.TarInfo) -> Callable[[int], bytes]:
    def read(most: int) -> bytes:
        content.seek(member.offset_data)
        wanted = min(most, member.size)
        blocks = []
        while wanted > 0:
            block = content.read(min(wanted, BLOCK))
            if not block:
                raise tarfile.ReadError("unexpected end of data")
            blocks.append(block)
            wanted -= len(block)
        return b"".join(blocks)

    return read


class _Bounded:
    """A file with limits on one read (`MAX_HEADER`) and on the last position (`allowed`), whatever its headers say."""

    def __init__(self, file: Any, allowed: int) -> None:
        self.file = file
        self.allowed = allowed

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise _RefusedError("it has a header of more than 1 MiB")
        content: bytes = self.file.read(size)
        self._check(self.file.tell())
        return content

    def seek(self, position: int) -> int:
        self._check(position)
        return int(self.file.seek(position))

    def tell(self) -> int:
        return int(self.file.tell())

    def _check(self, position: int) -> None:
        if position > self.allowed:
            raise _RefusedError(f"it unpacks to more than {MAX_RATIO} times its size; unpack it and give the folder")


def _refuse_special(name: str, plain: bool, *, sparse: bool) -> None:
    if not plain:
        raise _RefusedError(f"{name[:MAX_NAME]!r} is a link or a device; only files and folders are accepted")
    if sparse:
        raise _RefusedError(f"{name[:MAX_NAME]!r} is a sparse file; pack it without --sparse")


def _check_name(path: Path, name: str) -> None:
    """Raise `ArchiveError` unless `name` stays inside the archive's folder."""
    if len(name) > MAX_NAME:
        raise ArchiveError(f"{path}: a name has {len(name):,} characters; at most {MAX_NAME:,} are read")
    if "\0" in name:
        raise ArchiveError(f"{path}: {name!r} contains a NUL character; rename it")
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or name.startswith("\\"):
        raise ArchiveError(f"{path}: {name!r} is an absolute path; only paths inside the archive are accepted")
    if ".." in PureWindowsPath(name).parts:  # splits at both kinds of slash
        raise ArchiveError(f"{path}: {name!r} points outside the archive; only paths inside it are accepted")
