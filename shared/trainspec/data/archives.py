"""The files of a zip, tar or tar.gz archive, in memory: nothing is ever extracted to the disk."""

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from netspec.errors import DataError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)


def is_archive(path: Path) -> bool:
    """Whether `path` has the name of an archive that can be read."""
    return path.name.lower().endswith(SUFFIXES)


def stem(path: Path) -> str:
    """The name of an archive or folder without its folder and its archive suffix."""
    name = path.name
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def read_archive(path: Path) -> Iterator[tuple[str, bytes | None]]:
    """Each member as `(name, content)`, a folder's content being None, in the archive's order.

    Raises `DataError` on a damaged archive and on the first member that no honest archive of images has: an absolute
    path, a `..`, a link, a device. Nothing is skipped in silence.
    """
    members = _read_zip if path.name.lower().endswith(".zip") else _read_tar
    try:
        yield from members(path)
    except DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise DataError(f"{path}: a truncated or damaged archive ({reason}); fetch it again") from error
    except (OSError, RuntimeError, NotImplementedError) as error:  # zipfile: encrypted, or an unknown compression
        raise DataError(f"{path}: cannot be read ({error})") from error


def _read_zip(path: Path) -> Iterator[tuple[str, bytes | None]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            name = _checked(path, member.orig_filename, plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
            yield name, None if member.is_dir() else archive.read(member)


def _read_tar(path: Path) -> Iterator[tuple[str, bytes | None]]:
    with tarfile.open(path) as archive:
        for member in archive:
            name = _checked(path, member.name, plain=member.isreg() or member.isdir())
            file = archive.extractfile(member)
            yield name, None if file is None else file.read()
        # tarfile takes a cut between two members, or a damaged header, for the end of the archive.
        if archive.fileobj is not None:
            archive.fileobj.seek(archive.offset)
            if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("no end mark")


def _checked(path: Path, name: str, plain: bool) -> str:
    """`name`, once it is known to stay inside the archive's folder."""
    if not plain:
        raise DataError(f"{path}: {name!r} is a link or a device; only files and folders are accepted")
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or name.startswith("\\"):
        raise DataError(f"{path}: {name!r} is an absolute path; only paths inside the archive are accepted")
    if ".." in PureWindowsPath(name).parts:  # splits at both kinds of slash
        raise DataError(f"{path}: {name!r} leads out of the archive; only paths inside it are accepted")
    return name
