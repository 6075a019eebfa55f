"""Names of classes and files in any script, in bytes that are no text, and of any length."""

import os
import struct
import unicodedata
import zipfile
import zlib

import pytest
from samples import class_files, encoded, write_folder, write_tar, write_zip
from silent_loading import assert_one_line, load

from diptych.errors import DataError
from trainspec.judging import check_classes

ODD_NAMES = [
    *("line\nbreak", "tab\t", "\x1b[31mred", "\u202e", "space ", " space"),
    *("A", "é", "日本", "😀", "-rf", "a.b", "a'\"b"),
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_class_names_stay_as_they_are(tmp_path, name):
    files = class_files() | {f"{name}/{number}.png": encoded(number) for number in range(3)}
    for path in (write_folder(tmp_path / "set", files), write_zip(tmp_path / "set.zip", files)):
        for _ in range(2):  # made, and out of the cache
            assert load(path).classes == tuple(sorted(["a", "b", name]))
    (tmp_path / "set" / name / "x.gif").write_bytes(b"GIF89a")
    with pytest.raises(DataError) as error:
        load(tmp_path / "set")
    assert str(error.value).isprintable()


class Unflagged(zipfile.ZipInfo):
    """A member of a zip. Its name is stored as `stored`, without the flag for UTF-8."""

    stored = b""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802  # zipfile's name
        return self.stored, self.flag_bits


@pytest.mark.parametrize("made_by", ["macOS", "Info-ZIP", "an old program"])
def test_names_in_a_zip_without_the_flag_for_utf8(tmp_path, made_by):
    """macOS writes UTF-8 without the flag; Info-ZIP adds the name in UTF-8; old programs write CP437 alone."""
    names = ("café", "naïve", "straße")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in names:
            for number in range(10):
                member = Unflagged(path := f"{name}/{number}.png")
                member.stored = path.encode("utf-8" if made_by == "macOS" else "cp437")
                if made_by == "Info-ZIP":
                    field = b"\1" + zlib.crc32(member.stored).to_bytes(4, "little") + path.encode()
                    member.extra = struct.pack("<HHB", 0x9999, 1, 0) + struct.pack("<HH", 0x7075, len(field)) + field
                archive.writestr(member, encoded(number))
    assert load(tmp_path / "set.zip").classes == names


@pytest.mark.parametrize("name", [" ", "\u00a0", "x" * 1001])
def test_names_that_no_model_can_have(tmp_path, name):
    """They are refused before the training: a model with them could not be read."""
    files = class_files() | {f"{name}/{number}.png": encoded(number) for number in range(3)}
    with pytest.raises(DataError) as error:
        load(write_zip(tmp_path / "set.zip", files))
    assert_one_line(error, "the class folder", "rename it")


def test_a_name_is_the_same_in_either_unicode_form(tmp_path):
    """Also in the order of the classes, in which U+0301 comes before "f" and U+00E9 after it."""
    sets = []
    for form in ("NFC", "NFD"):
        names = [unicodedata.normalize(form, name) for name in ("caf\u00e9", "cafz", "cafe")]
        files = {f"{name}/{number}.png": encoded(number) for name in names for number in range(5)}
        sets.append(load(write_folder(tmp_path / form, files)))
        split = {f"{split}/{path}": content for split in ("train", "test") for path, content in files.items()}
        sets.append(load(write_tar(tmp_path / f"{form}.tar", split)))
    assert {each.classes for each in sets} == {("cafe", "cafz", "caf\u00e9")}
    for one, other in (sets[::2], sets[1::2]):
        assert one.fingerprint == other.fingerprint
    decomposed = [unicodedata.normalize("NFD", name) for name in sets[0].classes]
    check_classes(decomposed, sets[0], "an older run")
    with pytest.raises(DataError, match="in another order"):
        check_classes(decomposed[::-1], sets[0], "an older run")


def test_one_name_in_two_unicode_forms(tmp_path):
    files = {f"{name}/{number}.png": encoded(number) for name in ("\u00e9", "e\u0301") for number in range(3)}
    for path in (write_folder(tmp_path / "set", files), write_tar(tmp_path / "set.tar", files)):
        with pytest.raises(DataError) as error:
            load(path)
        assert_one_line(error, "two Unicode forms")


def test_names_that_are_not_utf8(tmp_path):
    odd = os.fsdecode(b"\xff\xfe")
    path = write_folder(tmp_path / "set", class_files() | {f"a/{odd}.png": encoded(4), f"a/{odd}.txt": b"x"})
    for _ in range(2):
        data = load(path)
        assert len(data.train) + len(data.validation) + len(data.test) == 21
        assert data.summary().isprintable()
    data.summary().encode()
    write_folder(path, {f"{odd}/0.png": encoded(5)})
    with pytest.raises(DataError) as error:
        load(path)
    assert_one_line(error, "not UTF-8")
    assert str(error.value).isprintable()
    with pytest.raises(DataError) as error:
        load(write_folder(tmp_path / odd, class_files()))
    assert_one_line(error, "not UTF-8")
    str(error.value).encode()


def test_names_at_the_limit_of_the_file_system(tmp_path):
    path = write_folder(tmp_path / ("n" * 255), class_files() | {f"{'c' * 255}/{'i' * 251}.png": encoded(1)})
    write_folder(path, {f"{'c' * 255}/{number}.png": encoded(number) for number in range(3)})
    for _ in range(2):
        data = load(path)
    assert data.classes == ("a", "b", "c" * 255)
    assert len(data.name) <= 60
