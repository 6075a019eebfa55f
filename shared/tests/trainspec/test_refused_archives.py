"""Archives refused in one line: paths out of them, links, devices, passwords, and files cut short."""

import stat
import tarfile
import zipfile

import pytest
from samples import class_files, encoded, write_tar, write_zip
from silent_loading import assert_one_line, load

from diptych.errors import DataError


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".zip"])
@pytest.mark.parametrize(
    ("name", "words"),
    [("../b/evil.png", "points outside"), ("a/../../evil.png", "points outside"), ("/b/evil.png", "absolute path")],
)
def test_paths_out_of_the_archive(tmp_path, suffix, name, words):
    write = write_zip if suffix == ".zip" else write_tar
    path = write(tmp_path / f"a{suffix}", class_files() | {name: encoded(1)})
    with pytest.raises(DataError) as error:
        load(path)
    assert_one_line(error, words, name)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar(tmp_path, kind):
    def spoil(member: tarfile.TarInfo) -> None:
        member.type, member.linkname, member.size = kind, "a/0.png", 0

    with pytest.raises(DataError) as error:
        load(write_tar(tmp_path / "a.tar", class_files() | {"b/link.png": b""}, spoil))
    assert_one_line(error, "b/link.png", "link or a device")


def test_a_link_in_a_zip(tmp_path):
    path = write_zip(tmp_path / "a.zip", class_files())
    with zipfile.ZipFile(path, "a") as archive:
        member = zipfile.ZipInfo("b/link.png")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "a/0.png")
    with pytest.raises(DataError) as error:
        load(path)
    assert_one_line(error, "b/link.png", "link or a device")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".zip"])
@pytest.mark.parametrize("keep", [0, 0.1, 0.5, 0.8])
def test_truncated_archives(tmp_path, suffix, keep):
    write = write_zip if suffix == ".zip" else write_tar
    path = write(tmp_path / f"a{suffix}", class_files(count=40))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError) as error:
        load(path)
    assert_one_line(error, str(path), "truncated or damaged")


def test_a_tar_cut_between_two_members(tmp_path):
    path = write_tar(tmp_path / "a.tar", class_files())
    with tarfile.open(path) as archive:
        boundary = archive.getmembers()[7].offset
    path.write_bytes(path.read_bytes()[:boundary])
    with pytest.raises(DataError, match="truncated or damaged"):
        load(path)


def test_a_zip_with_a_password(tmp_path):
    path = write_zip(tmp_path / "a.zip", class_files())
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the bit of the first member's local header
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        load(path)
    assert_one_line(error, "encrypted")


def test_a_checksum_that_is_wrong(tmp_path):
    path = write_tar(tmp_path / "a.tar.gz", class_files())
    content = bytearray(path.read_bytes())
    content[-8] ^= 1  # gzip's checksum of everything in it
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        load(path)
    assert_one_line(error, str(path), "truncated or damaged", "CRC")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_what_follows_the_end_of_a_tar(tmp_path, suffix):
    """As `cat a.tar b.tar` makes it. tarfile would read the first archive only."""
    path = write_tar(tmp_path / f"a{suffix}", class_files())
    more = write_tar(tmp_path / f"more{suffix}", class_files("c"))
    path.write_bytes(path.read_bytes() + more.read_bytes())
    with pytest.raises(DataError) as error:
        load(path)
    assert_one_line(error, str(path), "something follows the end mark")
