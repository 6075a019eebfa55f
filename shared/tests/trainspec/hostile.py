"""Archives that no honest program makes: each writes itself to a path and names the answers that it may have."""

import bz2
import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from samples import class_files, encoded, write_tar, write_zip

GIB = 1 << 30
FILES = class_files(count=3)
HONEST = len(FILES)
Write = Callable[[Path], object]


def zeros(total: int, block: int = 1 << 20) -> Iterator[bytes]:
    for start in range(0, total, block):
        yield bytes(min(block, total - start))


def tar_member(name: bytes, size: int = 0, kind: bytes = b"0", **changes: bytes) -> bytes:
    """A header of a tar. `changes`: `size`, `mode`, ... as raw bytes."""
    fields = {
        "name": name.ljust(100, b"\0")[:100],
        "mode": b"0000644\0",
        "owner": b"0000000\0" * 2,
        "bytes": b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big"),
        "time": b"00000000000\0",
        "sum": b" " * 8,
        "kind": kind,
        "rest": b"".ljust(100, b"\0") + b"ustar\x0000" + bytes(247),
    } | changes
    header = b"".join(fields.values())[:512].ljust(512, b"\0")
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def raw_tar(path: Path, *blocks: bytes, end: bool = True) -> None:
    content = b"".join((*blocks, bytes(1024) if end else b""))
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


def raw_members(files: dict[str, bytes]) -> bytes:
    return b"".join(tar_member(name.encode(), len(content)) + padded(content) for name, content in files.items())


def packed_zeros(path: Path, before: bytes, total: int) -> None:
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(before)
        for block in zeros(total):
            file.write(block)


def sparse_tar(path: Path, size: int = 3 * GIB) -> None:
    """GNU's old sparse format: one byte of content, gigabytes of holes."""
    header = bytearray(tar_member(b"a/hole.png", 512, b"S"))
    header[257:265] = b"ustar  \0"
    header[386:410] = b"%011o\0%011o\0" % (size - 512, 512)
    header[483:495] = b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    raw_tar(path, raw_members(FILES), bytes(header), bytes(512))


def pax_sparse_tar(path: Path) -> None:
    records = pax(("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", str(3 * GIB)))
    content = padded(b"1\n%d\n512\n" % (3 * GIB - 512)) + bytes(512)
    raw_tar(path, raw_members(FILES), records, tar_member(b"a/hole.png", len(content)), content)


def pax(*records: tuple[str, str], kind: bytes = b"x") -> bytes:
    lines = b""
    for key, value in records:
        rest = f" {key}={value}\n".encode("utf-8", "surrogateescape")
        length = len(rest) + 1
        while len(str(length)) + len(rest) != length:
            length = len(str(length)) + len(rest)
        lines += str(length).encode() + rest
    return tar_member(b"pax", len(lines), kind) + padded(lines)


def member_zip(path: Path, name: str, **changes: object) -> None:
    """An honest zip and one more member, whose ZipInfo is changed."""
    write_zip(path, FILES)
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo(name)
        for key, value in changes.items():
            setattr(info, key, value)
        archive.writestr(info, encoded(5))


def twice(path: Path) -> None:
    """Two members of one name."""
    write_zip(path, FILES | {"a/9.png": encoded(9)})
    path.write_bytes(path.read_bytes().replace(b"a/9.png", b"a/0.png"))


def nul_zip(path: Path) -> None:
    """Two classes that differ by what comes after a NUL; Python's zipfile would not write them."""
    write_zip(path, FILES | {f"a-{number}/0.png": encoded(number) for number in (1, 2)})
    path.write_bytes(path.read_bytes().replace(b"a-1/", b"a\0x/").replace(b"a-2/", b"a\0y/"))


def patched_zip(path: Path, offset: int, value: bytes, *, everywhere: bool = False, local: bool = False) -> None:
    """An honest zip with a field of its last (or every) central, or first local, header set."""
    write_zip(path, FILES)
    content = bytearray(path.read_bytes())
    mark = b"PK\x03\x04" if local else b"PK\x01\x02"
    at = content.find(mark)
    while at >= 0:
        following = content.find(mark, at + 4)
        if everywhere or local or following < 0:
            content[at + offset : at + offset + len(value)] = value
        at = -1 if local else following
    path.write_bytes(content)


def patched_end(path: Path, offset: int, value: bytes) -> None:
    write_zip(path, FILES)
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\x05\x06")
    content[at + offset : at + offset + len(value)] = value
    path.write_bytes(content)


def zip_bomb(path: Path, name: str = "a/bomb.png", total: int = 3 * GIB, head: bytes = b"", kind: int = 8) -> None:
    write_zip(path, FILES)
    with zipfile.ZipFile(path, "a", kind) as archive, archive.open(name, "w", force_zip64=True) as file:
        file.write(head)
        for block in zeros(total):
            file.write(block)


def overlapping_zip(path: Path, count: int = 20_000) -> None:
    """Every entry of the list points at the same 10 MB of zeros."""
    data = zlib.compress(bytes(10_000_000), 9)[2:-4]
    check = zlib.crc32(bytes(10_000_000))
    name = b"a/0.png"
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, check, len(data), 10_000_000, len(name), 0) + name
    listing = b"".join(
        struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, check, len(data), 10_000_000, 7, 0, 0, 0, 0, 0, 0)
        + b"a/%05d" % number
        for number in range(count)
    )
    body = local + data
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, len(listing), len(body), 0)
    path.write_bytes(body + listing + end)


def many_empty(path: Path, count: int = 1_000_000) -> None:
    """A zip's list of a million empty files (64-bit end), or a tar of as many headers, packed."""
    if path.suffix == ".zip":
        entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0)
        listing = b"".join(entry + b"a/%07d" % number for number in range(count))
        end64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(listing), 0)
        locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(listing), 1)
        end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        path.write_bytes(listing + end64 + locator + end)
        return
    with gzip.open(path, "wb", compresslevel=1) as file:
        for start in range(0, count, 10_000):
            file.write(b"".join(tar_member(b"a/%07d" % number) for number in range(start, start + 10_000)))
        file.write(bytes(1024))


def truncated(path: Path, keep: float) -> None:
    (write_zip if path.suffix == ".zip" else write_tar)(path, FILES)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])


def with_kind(path: Path, kind: bytes) -> None:
    def spoil(member: tarfile.TarInfo) -> None:
        member.type, member.linkname, member.size = kind, "/etc/passwd", 0

    write_tar(path, FILES | {"b/extra.png": b""}, spoil)


def quine(path: Path) -> None:
    """A gzip whose content is a gzip, a hundred deep."""
    content = raw_members(FILES) + bytes(1024)
    for _ in range(100):
        content = gzip.compress(content)
    path.write_bytes(content)


def sparse_on_disk(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(6 * GIB)


def with_absolute_path(path: Path, write: Callable[..., object]) -> None:
    """A member that would land beside the folder of the archive."""
    write(path, FILES | {str(path.parent.absolute().parent / "evil.png"): encoded(9)})


def hostile_archives() -> dict[str, Write]:
    """What writes each, by its file's name."""
    write = {".zip": write_zip, ".tar": write_tar, ".tar.gz": write_tar}
    made: dict[str, Write] = {}
    names = {
        "up": "../evil.png",
        "deep up": "a/../../evil.png",
        "nul": "a\0/evil.png",
        "backslash": "..\\evil.png",
        "long": "a/" * 5000 + "x.png",
    }
    for suffix, writer in write.items():
        for kind, name in names.items():
            if (kind, suffix) != ("nul", ".zip"):
                made[f"{kind}{suffix}"] = partial(writer, files=FILES | {name: encoded(9)})
        made[f"absolute{suffix}"] = partial(with_absolute_path, write=writer)
        made[f"cut{suffix}"] = partial(truncated, keep=0.6)
    for label, kind in {"symlink": b"2", "hardlink": b"1", "device": b"3", "fifo": b"6"}.items():
        made[f"{label}.tar"] = partial(with_kind, kind=kind)
    return made | {
        "sparse.tar": sparse_tar,
        "sparse.tar.gz": sparse_tar,
        "pax sparse.tar": pax_sparse_tar,
        "long name.tar.gz": lambda path: packed_zeros(path, tar_member(b"././@LongLink", 3 * GIB, b"L"), 3 * GIB),
        "pax header.tar.gz": lambda path: packed_zeros(path, tar_member(b"pax", 3 * GIB, b"x"), 3 * GIB),
        "global header.tar.gz": lambda path: packed_zeros(path, tar_member(b"pax", 2 * GIB, b"g"), 2 * GIB),
        "image.tar.gz": lambda path: packed_zeros(path, tar_member(b"a/0.png", 3 * GIB), 3 * GIB),
        "other.tar.gz": lambda path: packed_zeros(path, tar_member(b"a/notes", 3 * GIB), 3 * GIB),
        "head.tar.gz": lambda path: packed_zeros(path, tar_member(b"a/0.png", GIB) + encoded(1), GIB),
        "tail.tar.gz": lambda path: packed_zeros(path, raw_members(FILES) + bytes(1024), 3 * GIB),
        "huge size.tar": lambda path: raw_tar(path, tar_member(b"a/0.png", 1 << 60), encoded(1)),
        "negative size.tar": lambda path: raw_tar(path, tar_member(b"a/0.png", bytes=b"\xff" * 12), encoded(1)),
        "pax size.tar": lambda path: raw_tar(path, pax(("size", "-5")), tar_member(b"a/0.png", 5), padded(b"12345")),
        "pax words.tar": lambda path: raw_tar(path, pax(("size", "many"), ("mtime", "x")), raw_members(FILES)),
        "pax nul.tar": lambda path: raw_tar(path, pax(("path", "a\0b/0.png")), raw_members(FILES)),
        "pax bytes.tar": lambda path: raw_tar(path, pax(("path", "a/\udcff.png")), raw_members(FILES)),
        "nested names.tar": lambda path: raw_tar(path, *[tar_member(b"L", 2, b"L"), padded(b"a\0")] * 3000),
        "checksum.tar": lambda path: raw_tar(path, tar_member(b"a/0.png", 9)[:-200] + b"x" * 200),
        "multivolume.tar": lambda path: raw_tar(path, tar_member(b"a/0.png", 3, b"M"), padded(b"abc")),
        "zeros.tar": sparse_on_disk,
        "zeros.zip": sparse_on_disk,
        "quine.tar.gz": quine,
        "wrong.tar": lambda path: path.write_bytes(bz2.compress(raw_members(FILES))),
        "many.tar.gz": many_empty,
        "many.zip": many_empty,
        "bomb.zip": zip_bomb,
        "bomb with a head.zip": partial(zip_bomb, head=encoded(1)),
        "bomb beside.zip": partial(zip_bomb, name="a/notes.txt"),
        "bomb bzip2.zip": partial(zip_bomb, total=GIB, kind=zipfile.ZIP_BZIP2),
        "overlapping.zip": overlapping_zip,
        "twice.zip": twice,
        "nul.zip": nul_zip,
        "symlink.zip": partial(member_zip, name="b/link.png", external_attr=(stat.S_IFLNK | 0o777) << 16),
        "device.zip": partial(member_zip, name="b/dev.png", external_attr=(stat.S_IFCHR | 0o777) << 16),
        "encrypted.zip": partial(patched_zip, offset=8, value=b"\1", everywhere=True),
        "compression.zip": partial(patched_zip, offset=10, value=b"\x63"),
        "size too small.zip": partial(patched_zip, offset=24, value=b"\x05\0\0\0"),
        "size too large.zip": partial(patched_zip, offset=24, value=b"\xf0\xff\xff\xff"),
        "packed too large.zip": partial(patched_zip, offset=20, value=b"\xf0\xff\xff\xff"),
        "checksum.zip": partial(patched_zip, offset=16, value=b"\1\2\3\4"),
        "offset.zip": partial(patched_zip, offset=42, value=b"\xf0\xff\xff\x7f"),
        "extra.zip": partial(patched_zip, offset=30, value=b"\xff\xff"),
        "name.zip": partial(patched_zip, offset=28, value=b"\0\0"),
        "local name.zip": partial(patched_zip, offset=30, value=b"x", local=True),
        "zip64.zip": partial(patched_zip, offset=24, value=b"\xff\xff\xff\xff"),
        "directory.zip": partial(patched_end, offset=12, value=b"\xff\xff\xff\x7f"),
        "place.zip": partial(patched_end, offset=16, value=b"\xff\xff\xff\x7f"),
        "count.zip": partial(patched_end, offset=8, value=b"\xff\xff\xff\xff"),
        "comment.zip": partial(patched_end, offset=20, value=b"\xff\xff"),
        "image.zip": lambda path: path.write_bytes(encoded(1)),
        "empty.zip": lambda path: path.write_bytes(b""),
        "fifo.tar": os.mkfifo,
        "folder in.zip": lambda path: write_zip(path, FILES | {"a/0.png/": b""}),
        "stream.zip": lambda path: path.write_bytes(io.BytesIO(b"PK\x05\x06" + bytes(18)).getvalue()),
    }
