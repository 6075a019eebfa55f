"""Where the images of a set must lie: two classes or more, a folder each, with train/ and test/ around them or not."""

import tarfile

import pytest
from samples import class_files, encoded, split_files, write_folder, write_tar
from silent_loading import assert_one_line, load

from diptych.errors import DataError


@pytest.mark.parametrize("depth", [1, 3, 4, 5, 6, 40, 400])
def test_images_at_any_depth_are_seen(tmp_path, depth):
    name = "/".join(["a", *["d"] * depth, "0.png"])
    files = class_files() | {name: encoded(5)}
    for path in (write_folder(tmp_path / "set", files), write_tar(tmp_path / "set.tar", files)):
        with pytest.raises(DataError) as error:
            load(path)
        assert_one_line(error, name, "not in a class folder")


@pytest.mark.parametrize("split", ["", "train/"])
def test_an_empty_class_in_a_folder(tmp_path, split):
    path = write_folder(tmp_path / "set", split_files() if split else class_files())
    (path / f"{split}empty").mkdir()
    with pytest.raises(DataError) as error:
        load(path)
    assert_one_line(error, f"{split}empty", "has no JPEG, PNG or WebP")


def test_an_empty_class_in_an_archive(tmp_path):
    def folder(member: tarfile.TarInfo) -> None:
        member.type = tarfile.DIRTYPE

    path = write_tar(tmp_path / "a.tar", class_files() | {"empty": b""}, folder)
    with pytest.raises(DataError) as error:
        load(path)
    assert_one_line(error, "empty", "has no JPEG, PNG or WebP")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no JPEG, PNG or WebP images found"),
        ({"0.png": encoded(0), "1.png": encoded(1)}, "not in a class folder"),
        ({"a/deep/er/0.png": encoded(0), "b/0.png": encoded(1)}, "not in a class folder"),
        ({"a/0.gif": b"GIF89a", "a/0.png": encoded(0)}, "not JPEG, PNG or WebP"),
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
