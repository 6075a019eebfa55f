import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import class_files, encoded, write_folder, write_tar, write_zip

from netspec.errors import DataError
from trainspec.data import open_data
from trainspec.data.images import decode, resize_arrays

JPEG_ARCHIVE = Path(__file__).parents[4] / "shared" / "data" / "flowers5-160px.tar.gz"  # beside the checkout


def silent(text: str) -> None:
    raise AssertionError(f"nothing was to be noticed: {text}")


def load(path: Path, size: int = 8):
    return open_data(str(path), size, notice=silent)


def split_files() -> dict[str, bytes]:
    return {f"{split}/{name}": content for split in ("train", "test") for name, content in class_files().items()}


def assert_one_line(error: pytest.ExceptionInfo[DataError], *words: str) -> None:
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_folder_and_every_archive_hold_the_same(tmp_path):
    files = class_files()
    folder = load(write_folder(tmp_path / "plain", files))
    others = [
        write_tar(tmp_path / "a.tar", files),
        write_tar(tmp_path / "a.tar.gz", dict(reversed(files.items()))),
        write_zip(tmp_path / "a.zip", files),
        write_tar(tmp_path / "wrapped.tar", {f"top/{name}": content for name, content in files.items()}),
    ]
    for path in others:
        data = load(path)
        for split in ("train", "validation", "test"):
            np.testing.assert_array_equal(getattr(data, split).images, getattr(folder, split).images)
            np.testing.assert_array_equal(getattr(data, split).labels, getattr(folder, split).labels)
    assert folder.classes == ("a", "b")
    assert folder.train.images.shape == (16, 8, 8, 3)
    assert folder.train.images.dtype == np.uint8
    assert folder.train.labels.dtype == np.int64
    assert (len(folder.train), len(folder.validation), len(folder.test)) == (16, 2, 2)
    assert sorted(folder.test.labels) == [0, 1]
    assert any("held out as test" in note for note in folder.notes)


def test_a_split_set_keeps_its_splits(tmp_path):
    files = split_files() | {f"val/{name}": content for name, content in class_files(count=3).items()}
    data = load(write_folder(tmp_path / "cifar10-jpeg", files))
    assert (len(data.train), len(data.validation), len(data.test)) == (20, 6, 20)
    assert (data.name, data.label) == ("cifar10-jpeg", "CIFAR-10 (JPEG)")
    assert data.mean == pytest.approx(tuple(data.train.images.mean((0, 1, 2)) / 255))
    assert data.std == pytest.approx(tuple(data.train.images.std((0, 1, 2)) / 255))


def test_a_small_set_has_an_image_of_each_split(tmp_path):
    data = load(write_folder(tmp_path / "set", class_files(count=2)))
    assert (len(data.train), len(data.validation), len(data.test)) == (2, 1, 1)


def test_a_set_too_small_for_a_validation_split(tmp_path):
    with pytest.raises(DataError, match="too few training images: 1,") as error:
        load(write_folder(tmp_path / "set", class_files(count=1)))
    assert_one_line(error, "one is held out")


def test_the_test_split_does_not_depend_on_the_seed(tmp_path):
    path = write_folder(tmp_path / "set", class_files(count=30))
    first, second = (open_data(str(path), 8, seed=seed, notice=silent) for seed in (0, 1))
    np.testing.assert_array_equal(first.test.images, second.test.images)
    assert not np.array_equal(first.validation.images, second.validation.images)


def test_hidden_files_and_texts_beside_images_are_left_alone(tmp_path):
    extra = {".DS_Store": b"x", "a/.DS_Store": b"x", "a/._0.png": b"x", "README.txt": b"x", "a/LICENSE": b"x"}
    assert len(load(write_folder(tmp_path / "set", class_files() | extra)).train) == 16


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_text_file_with_an_image_name(tmp_path, suffix):
    path = write_folder(tmp_path / "set", class_files() | {f"b/text.{suffix}": b"this is no image"})
    with pytest.raises(DataError) as error:
        load(path)
    assert_one_line(error, f"b/text.{suffix}", "cannot be read as an image")


def test_a_corrupt_image(tmp_path):
    cut = encoded(1, (64, 64), "JPEG")[:-400]
    with pytest.raises(DataError) as error:
        load(write_folder(tmp_path / "set", class_files() | {"b/cut.jpg": cut}))
    assert_one_line(error, "b/cut.jpg")


@pytest.mark.parametrize("split", ["", "train/"])
def test_an_empty_class_in_a_folder(tmp_path, split):
    path = write_folder(tmp_path / "set", split_files() if split else class_files())
    (path / f"{split}empty").mkdir()
    with pytest.raises(DataError) as error:
        load(path)
    assert_one_line(error, f"{split}empty", "holds no JPEG or PNG")


def test_an_empty_class_in_an_archive(tmp_path):
    def folder(member: tarfile.TarInfo) -> None:
        member.type = tarfile.DIRTYPE

    path = write_tar(tmp_path / "a.tar", class_files() | {"empty": b""}, folder)
    with pytest.raises(DataError) as error:
        load(path)
    assert_one_line(error, "empty", "holds no JPEG or PNG")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no JPEG or PNG images inside"),
        ({"0.png": encoded(0), "1.png": encoded(1)}, "not in a class folder"),
        ({"a/deep/er/0.png": encoded(0), "b/0.png": encoded(1)}, "not in a class folder"),
        ({"a/0.gif": b"GIF89a", "a/0.png": encoded(0)}, "neither JPEG nor PNG"),
        (class_files("a"), "only one class"),
        ({f"train/{n}": c for n, c in class_files().items()}, "needs train/ and test/"),
        (split_files() | {"train/c/0.png": encoded(5)}, "different classes: test/ has no c"),
        (split_files() | {"c/0.png": encoded(5)}, "beside and inside train/"),
    ],
)
def test_wrong_layouts(tmp_path, files, words):
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError) as error:
        load(write_folder(tmp_path / "set", files))
    assert_one_line(error, words)


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".zip"])
@pytest.mark.parametrize(
    ("name", "words"),
    [("../b/evil.png", "leads out"), ("a/../../evil.png", "leads out"), ("/b/evil.png", "absolute path")],
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


def brightness(data) -> int:
    return sum(int(split.images.sum()) for split in (data.train, data.validation, data.test))


def test_the_cache_is_used_renewed_and_not_trusted(tmp_path, cache, monkeypatch):
    path = write_folder(tmp_path / "set", class_files())
    first = load(path)
    (entry,) = (cache / "decoded").iterdir()
    monkeypatch.setattr("trainspec.data.class_folder.decode_all", lambda *_: pytest.fail("decoded again"))
    np.testing.assert_array_equal(load(path).train.images, first.train.images)
    monkeypatch.undo()
    monkeypatch.setenv("DIPTYCH_CACHE", str(cache))

    entry.write_bytes(entry.read_bytes()[:-1000])
    np.testing.assert_array_equal(load(path).train.images, first.train.images)

    (path / "a" / "0.png").write_bytes(encoded(999))
    os.utime(path / "a" / "0.png", (1, 1))
    assert brightness(load(path)) != brightness(first)


def test_a_cache_on_a_full_disk_costs_one_notice(tmp_path, full_disk):
    notices: list[str] = []
    data = open_data(str(write_folder(tmp_path / "set", class_files())), 8, notice=notices.append)
    assert len(data.train) == 16
    assert len(notices) == 1
    assert "No space left" in notices[0]


def test_exif_turns_an_image_and_grey_becomes_rgb():
    image = Image.new("L", (8, 8), 0)
    image.paste(255, (0, 0, 8, 4))  # the upper half is white
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif)
    pixels = decode(file.getvalue(), 8, "x.png")
    assert pixels.shape == (8, 8, 3)
    assert (pixels[:4] == 0).all()
    assert (pixels[4:] == 255).all()


def test_sixteen_bits_are_refused():
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(file, "PNG")
    with pytest.raises(DataError, match=r"x\.png.*8 bits"):
        decode(file.getvalue(), 8, "x.png")


def test_the_resize_rule():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    assert resize_arrays(images, 8) is images
    wide = np.zeros((1, 8, 16, 3), np.uint8)
    wide[:, :, 3:13] = 200  # the centred square, and the pixel beside it that the filter sees
    assert (resize_arrays(wide, 4) == 200).all()
    checks = np.indices((16, 16)).sum(0) % 2 * 255
    small = resize_arrays(np.repeat(checks[None, ..., None], 3, -1).astype(np.uint8), 4)
    assert abs(small.astype(int) - 128).max() < 24  # antialiased: grey, not black or white


@pytest.mark.skipif(not JPEG_ARCHIVE.exists(), reason="the flowers are not beside the checkout")
def test_photos_of_many_shapes():
    data = load(JPEG_ARCHIVE, 32)
    assert data.classes == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert len(data.train) + len(data.validation) + len(data.test) == 3670
