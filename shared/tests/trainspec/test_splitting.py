"""`split`: which images are for what, the manifest, and a training on it."""

import hashlib
import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from samples import class_files, encoded, split_files, write_folder, write_zip
from silent_loading import assert_one_line, silent

from deploy.images import read_image
from diptych.errors import DataError, DiptychError, StorageError, UsageError
from trainspec.__main__ import main
from trainspec.data import find_data, open_data
from trainspec.data.manifest import SPLITS, Manifest
from trainspec.data.splitting import Shares, copy_split, draw_split, shared, split_folder, table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "set", class_files("abc", 20))


@pytest.fixture
def manifest(folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "set.split.json"
    split_folder(folder).write(path)
    return path


def names(manifest: Manifest) -> dict[str, list[str]]:
    return {split: [place.path for place in manifest.placed(split)] for split in SPLITS}


def test_every_image_is_in_one_split_by_class(folder):
    found = split_folder(folder, Shares(0.2, 0.1))
    every = [path for paths in names(found).values() for path in paths]
    assert sorted(every) == sorted(class_files("abc", 20))
    for split, count in zip(SPLITS, (14, 4, 2), strict=True):
        assert {name: len(paths) for name, paths in found.splits[split].items()} == dict.fromkeys("abc", count)
    for path, sha256 in found.sha256.items():
        assert sha256 == hashlib.sha256((folder / path).read_bytes()).hexdigest()


def test_a_split_is_the_same_for_ever(folder):
    """Pinned: another split of the same folder would make figures incomparable."""
    drawn = draw_split(np.repeat(np.arange(3), 20), Shares(), 0)
    assert [part.tolist() for part in drawn[1:]] == PINNED
    assert split_folder(folder) == split_folder(folder)
    assert split_folder(folder, seed=1) != split_folder(folder)


PINNED = [[18, 19, 34, 37, 44, 47], [0, 2, 21, 38, 43, 54]]


def test_the_order_of_the_file_system_does_not_matter(tmp_path, folder, monkeypatch):
    expected = names(split_folder(folder))
    scan = os.scandir

    class Backwards:
        def __init__(self, path: str) -> None:
            with scan(path) as entries:
                self.entries = list(entries)[::-1]

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("deploy.walking.os.scandir", Backwards)
    assert names(split_folder(folder)) == expected


def test_the_unicode_form_of_the_file_system_does_not_matter(tmp_path):
    files = {f"{name}/é{number}z.png": encoded(number) for name in "ab" for number in range(20)}
    files |= {f"{name}/ez{number}.png": encoded(number) for name in "ab" for number in range(20)}
    found = []
    for form in ("NFC", "NFD"):
        own = {unicodedata.normalize(form, name): content for name, content in files.items()}
        manifest = split_folder(write_folder(tmp_path / form, own))
        found.append(
            {split: {unicodedata.normalize("NFC", path) for path in paths} for split, paths in names(manifest).items()}
        )
    assert found[0] == found[1]


@given(
    st.lists(st.integers(2, 40), min_size=2, max_size=6), st.floats(0.05, 0.4), st.floats(0.05, 0.4), st.integers(0, 9)
)
def test_shares_hold_for_every_class(sizes, validation, test, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    drawn = draw_split(labels, Shares(validation, test), seed)
    assert np.array_equal(np.sort(np.concatenate(drawn)), np.arange(len(labels)))
    for part, share in zip(drawn[1:], (validation, test), strict=True):
        assert len(part) == max(1, round(len(labels) * share))
        for number, size in enumerate(sizes):
            assert abs((labels[part] == number).sum() - size * share) < 2.5


def test_training_on_a_manifest(manifest, folder):
    data = open_data(str(manifest), 8, notice=silent)
    found = Manifest.read(manifest)
    assert (data.name, data.label, data.classes) == ("set", "set", ("a", "b", "c"))
    assert (len(data.train), len(data.validation), len(data.test)) == (48, 6, 6)
    for split in SPLITS:
        images = getattr(data, split).array()
        for place, image, label in zip(found.placed(split), images, getattr(data, split).labels, strict=True):
            assert place.class_name == data.classes[label]
            np.testing.assert_array_equal(image, read_image(folder / place.path, 8))
    assert any("seed 0" in note for note in data.notes)
    other = open_data(str(manifest), 8, seed=5, notice=silent)  # the run's seed does not change the validation split
    np.testing.assert_array_equal(other.validation.array(), data.validation.array())


@pytest.mark.parametrize("storage", ["memory", "files"])
def test_a_file_that_is_missing_or_has_changed_is_one_line(manifest, folder, storage):
    path = Manifest.read(manifest).placed("train")[3].path
    content = (folder / path).read_bytes()
    (folder / path).write_bytes(encoded(999))
    with pytest.raises(DataError) as error:
        open_data(str(manifest), 8, notice=silent, storage=storage).train.array()
    assert_one_line(error, path, "has changed", "SHA-256", "split the folder again")
    (folder / path).unlink()
    with pytest.raises(DataError) as error:
        open_data(str(manifest), 8, notice=silent, storage=storage)
    assert_one_line(error, path, "No such file")
    (folder / path).write_bytes(content)
    assert len(open_data(str(manifest), 8, notice=silent, storage=storage).train) == 48


@pytest.mark.parametrize("storage", ["memory", "files"])
def test_what_a_manifest_does_not_list_is_said(manifest, folder, storage):
    def opened():
        return open_data(str(manifest), 8, notice=silent, storage=storage)

    assert not opened().left_out
    write_folder(folder, {"a/new.png": encoded(1), "d/0.png": encoded(2), "d/broken.tiff": b"II*\0", "notes.txt": b"x"})
    found = opened()
    assert "left out: 4 not in the manifest (a/new.png, d/0.png, d/broken.tiff, ...)" in found.summary()
    assert len(found.classes) == 3
    assert len(found.train) == 48


def test_manifest_and_folder_can_be_moved_together(manifest, folder, tmp_path):
    before = open_data(str(manifest), 8, notice=silent).fingerprint
    target = tmp_path / "elsewhere"
    target.mkdir()
    folder.rename(target / folder.name)
    manifest.rename(target / manifest.name)
    assert open_data(str(target / manifest.name), 8, notice=silent).fingerprint == before


@pytest.mark.parametrize("storage", ["memory", "files"])
@pytest.mark.parametrize("count", [4, 20])
def test_copies_are_a_class_folder_with_splits(tmp_path, count, storage):
    """Also where a class is too small for each split: 4 images of it, and a tenth for validation and test."""
    found = split_folder(write_folder(tmp_path / "set", class_files("abcdefghijkl", count)))
    copy_split(found, tmp_path / "copies")
    manifest = tmp_path / "manifest.json"
    found.write(manifest)
    paths = tmp_path / "copies", manifest, tmp_path / "copies"  # the last time from the cache
    copied, listed, again = (open_data(str(path), 8, notice=silent, storage=storage) for path in paths)
    assert copied.classes == listed.classes == again.classes
    assert len(set(listed.test.labels)) == 12 or count == 4
    for split in SPLITS:
        for one in (copied, again):
            np.testing.assert_array_equal(getattr(one, split).labels, getattr(listed, split).labels)
        np.testing.assert_array_equal(getattr(copied, split).array(), getattr(listed, split).array())
    with pytest.raises(StorageError, match="not an empty folder"):
        copy_split(found, tmp_path / "copies")


def test_the_command(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert not main(["split", str(folder), "--seed", "3", "--copy", "copies"])
    said = capsys.readouterr().out
    assert "set.split.json" in said
    assert "class       train  validation        test" in said
    assert Manifest.read(Path("set.split.json")) == split_folder(folder, seed=3)
    assert sorted(path.name for path in Path("copies").iterdir()) == ["test", "train", "validation"]
    assert not main(["split", str(folder), "--out", "other.json", "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert facts["images"]["train"] == {"a": 16, "b": 16, "c": 16}
    assert find_data("other.json", notice=silent).name == "set"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--test", "0"], "--test 0: give a share above 0"),
        (["--validation", "1.5"], "--validation 1.5"),
        (["--validation", "nan"], "--validation nan"),
        (["--validation", "0.5", "--test", "0.5"], "leave no images for training"),
        (["--seed", "-1"], "--seed -1"),
        (["--seed", "x"], "seed"),
        (["--out", "photo.png"], "--out photo.png: the name of a manifest ends in .json"),
    ],
)
def test_options_that_make_no_sense(folder, argv, words):
    with pytest.raises(UsageError, match=words):
        main(["split", str(folder), *argv])


@pytest.mark.parametrize("inside", [".", "a", "new"])
def test_copies_inside_the_data_are_refused_before_anything_is_written(folder, tmp_path, monkeypatch, inside):
    monkeypatch.chdir(tmp_path)
    before = sorted(folder.rglob("*"))
    with pytest.raises(StorageError, match="is in the folder of the data"):
        main(["split", str(folder), "--copy", str(folder / inside)])
    assert sorted(folder.rglob("*")) == before
    assert list(tmp_path.glob("*.json")) == []


def test_what_a_split_leaves_out_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = write_folder(tmp_path / "set", class_files("abc", count=20) | {"notes.txt": b"x", "a/.hidden": b"x"})
    said = "1 hidden (a/.hidden); 1 not an image (notes.txt)"
    assert not main(["split", str(folder)])
    assert f"left out   {said}\n" in capsys.readouterr().out
    assert not main(["split", str(folder), "--json"])
    assert json.loads(capsys.readouterr().out)["left_out"] == said


def test_folders_that_cannot_be_split(tmp_path):
    divided = write_folder(tmp_path / "divided", split_files())
    few = write_folder(tmp_path / "few", {**class_files("a"), "b/0.png": encoded(1)})
    archive = write_zip(tmp_path / "a.zip", class_files())
    for path, words in (
        (divided, "already split into train, test"),
        (archive, "unpack it"),
        (tmp_path / "none", "No such file"),
    ):
        with pytest.raises(DataError, match=words) as error:
            split_folder(path)
        assert_one_line(error)
    with pytest.raises(DataError, match=r"of b \(1 images\) none would be left for training"):
        split_folder(few, Shares(0.45, 0.45))


def test_files_with_one_content_in_two_splits_are_told(tmp_path):
    folder = write_folder(tmp_path / "set", {f"{name}/{n}.png": encoded(ord(name)) for name in "ab" for n in range(10)})
    found = split_folder(folder)
    assert shared(found) == 4
    assert "note: 4 files have the content of a file in another split" in list(table(found))


def with_splits(text: str, each: object) -> str:
    return json.dumps(json.loads(text) | {"splits": dict.fromkeys(SPLITS, each)})


DAMAGE = {
    "not json": lambda text: "{",
    "a list": lambda text: "[]",
    "schema": lambda text: text.replace('"schema": 1', '"schema": 2'),
    "no splits": lambda text: text.replace('"splits"', '"parts"'),
    "other splits": lambda text: text.replace('"validation"', '"dev"'),
    "outside": lambda text: text.replace('"a/', '"../a/', 1),
    "absolute": lambda text: text.replace('"a/', '"/etc/a/', 1),
    "no hash": lambda text: json.dumps(
        json.loads(text) | {"splits": {split: {"a": {"a/0.png": "x"}} for split in SPLITS}}
    ),
    "numbers": lambda text: json.dumps(json.loads(text) | {"splits": {split: {"a": 1} for split in SPLITS}}),
    "a path twice": lambda text: json.dumps(
        json.loads(text) | {"splits": {split: {n: {"a/0.png": "0" * 64} for n in "ab"} for split in SPLITS}}
    ),
    "empty": lambda text: json.dumps(json.loads(text) | {"splits": {split: {} for split in SPLITS}}),
    **{
        f"no image in {split}": lambda text, split=split: json.dumps(
            (found := json.loads(text)) | {"splits": found["splits"] | {split: {"a": {}}}}
        )
        for split in SPLITS
    },
    "a name that is not text": lambda text: text.replace('"a/', '"a/\\ud800', 1),
    "a class without a name": lambda text: text.replace('"b"', '" "'),
    "a class that is not text": lambda text: text.replace('"b"', '"\\ud800"'),
    "a class in two forms": lambda text: text.replace('"a"', '"\u00e9"').replace('"b"', '"e\u0301"'),
    "root": lambda text: json.dumps(json.loads(text) | {"root": 5}),
    "deep": lambda text: "[" * 100_000,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_manifests(manifest, name):
    manifest.write_text(DAMAGE[name](manifest.read_text()))
    with pytest.raises(DiptychError) as error:
        open_data(str(manifest), 8, notice=silent)
    assert_one_line(error, str(manifest), "not a manifest", "nox -s split")
