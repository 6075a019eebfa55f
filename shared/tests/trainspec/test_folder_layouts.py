"""Where the images of a set must lie: two classes or more, a folder each, with train/ and test/ around them or not."""

import tarfile

import pytest
from samples import class_files, encoded, split_files, write_folder, write_tar, write_zip
from silent_loading import assert_one_line, load, silent

from deploy.archives import is_archive
from deploy.class_folders import find_classes
from deploy.walking import walk
from diptych.errors import DataError
from trainspec.data import open_data
from trainspec.data.layout import NO_TEST, read_layout
from trainspec.data.listing import list_archive, list_folder


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
        (split_files() | {"dev/a/0.png": encoded(0)}, "where <split> is train, test, val, valid or validation"),
        ({"a/deep/er/0.png": encoded(0), "b/0.png": encoded(1)}, "not in a class folder"),
        (
            {"train/0.png": encoded(0), "bus/0.png": encoded(1)},
            "train/ is the name of a split: rename it if it is a class",
        ),
        ({"a/0.gif": b"GIF89a", "a/0.png": encoded(0)}, "not JPEG, PNG or WebP"),
        (class_files("a"), "only one class"),
        ({f"train/{n}": c for n, c in class_files().items()}, "needs train/ and test/ or val/"),
        ({f"val/{n}": c for n, c in class_files().items()}, "but only validation was found"),
        (split_files() | {"test/c/0.png": encoded(5)}, "train/ has no c, which another split has"),
        (split_files() | {"val/c/0.png": encoded(5)}, "train/ has no c, which another split has"),
        (split_files() | {"c/0.png": encoded(5)}, "beside and inside train/"),
    ],
)
def test_wrong_layouts(tmp_path, files, words):
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError) as error:
        load(write_folder(tmp_path / "set", files))
    assert_one_line(error, words)


@pytest.mark.parametrize("storage", ["memory", "files"])
@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_set_without_a_test_is_tested_on_its_validation_images(tmp_path, name, storage):
    """As ImageNet is. The second time the images come from the cache."""
    files = {path.replace("test/", f"{name}/"): content for path, content in split_files().items()}
    path = write_folder(tmp_path / "set", files)
    for _ in range(2):
        told: list[str] = []
        data = open_data(str(path), 8, notice=told.append, storage=storage)
        assert told == [f"set: {NO_TEST}"]
        assert len(data.train) + len(data.validation) == len(data.test) == len(class_files())
        (path / name).rename(path / "test")
        same = open_data(str(path), 8, notice=silent, storage=storage)
        (path / "test").rename(path / name)
        assert data.fingerprint == same.fingerprint
    (path / name / "empty").mkdir()
    with pytest.raises(DataError, match=f"{name}/empty has no JPEG"):
        load(path)


IMAGE = encoded(0)
TREES = {  # where the images lie -> whether training and `deploy evaluate` take the set
    "classes": ("a/0.png b/0.png b/1.jpg", True),
    "splits": ("train/a/0.png train/b/0.png test/a/1.png test/b/1.png", True),
    "a validation split": ("train/a/0 train/b/0 val/a/0 val/b/0 test/a/1 test/b/1", True),
    "valid": ("train/a/0 train/b/0 valid/a/0 valid/b/0 test/a/1 test/b/1", True),
    "a class that is not tested": ("train/a/0 train/b/0 train/c/0 val/a/0 test/b/1", True),
    "a class that is named valid": ("valid/0 invalid/0", True),
    "splits in capitals": ("Train/a/0 Train/b/0 VAL/a/0 Test/a/1 Test/b/1", True),
    "one split in two cases": ("train/a/0 train/b/0 Train/a/1 test/a/1", False),
    "two validation splits": ("train/a/0 val/a/0 valid/a/0 test/a/1", False),
    "one more folder": ("set/a/0.png set/b/0.png", True),
    "one more folder around splits": ("set/train/a/0 set/train/b/0 set/test/a/1 set/test/b/1", True),
    "hidden and of systems": ("a/0 b/0 .git/c/0 a/.0 __MACOSX/a/0 @eaDir/b/0 b/Thumbs.db", True),
    "classes that are not ASCII": ("á/0 ü/0", True),
    "beside classes": ("a/0 b/0 0", False),
    "too deep": ("a/0 b/c/d/e/f/g/0", False),
    "too deep in one folder": ("a/b/c/d/e/f/0", False),
    "a split beside classes": ("train/a/0 train/b/0 c/0", False),
    "images of a split": ("train/0 test/1", False),
    "no training split": ("val/a/0 val/b/0", False),
    "no class": ("0 1", False),
}


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("form", ["folder", "a.tar", "a.zip"])
def test_training_and_deploy_find_the_same_images(tmp_path, tree, form):
    paths, taken = TREES[tree]
    write = {"folder": write_folder, "a.tar": write_tar, "a.zip": write_zip}[form]
    path = write(tmp_path / form, dict.fromkeys(paths.split(), IMAGE))

    def trained():
        return read_layout(path, list_archive(path) if is_archive(path) else list_folder(path, list(walk(path))))

    if not taken:
        with pytest.raises(DataError):
            trained()
        with pytest.raises(DataError):
            find_classes(path)
        return
    layout, found = trained(), find_classes(path)
    assert found.split in layout.splits
    assert found.classes == {each.path: each.class_name for each in layout.splits[found.split]}
