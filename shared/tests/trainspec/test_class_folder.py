"""A folder of class folders is one data set: its classes, labels and splits, the same from any archive."""

from pathlib import Path

import numpy as np
import pytest
from samples import class_files, encoded, split_files, write_folder, write_tar, write_zip
from silent_loading import assert_one_line, load, silent

from diptych.errors import DataError
from trainspec.data import open_data

JPEG_ARCHIVE = Path(__file__).parents[4] / "shared" / "data" / "flowers5-160px.tar.gz"  # beside the checkout


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
    with pytest.raises(DataError, match="too few training images: .* 1 would remain") as error:
        load(write_folder(tmp_path / "set", class_files(count=1)))
    assert_one_line(error, "one is held out")


def test_the_test_split_does_not_depend_on_the_seed(tmp_path):
    path = write_folder(tmp_path / "set", class_files(count=30))
    first, second = (open_data(str(path), 8, seed=seed, notice=silent) for seed in (0, 1))
    np.testing.assert_array_equal(first.test.images, second.test.images)
    assert not np.array_equal(first.validation.images, second.validation.images)


@pytest.mark.parametrize("counts", [[1] * 19 + [2], [2] * 20, [1, 1, 1, 50], [1, 2, 3, 4], [3, 1], [2, 1]])
def test_every_class_keeps_a_training_image(tmp_path, counts):
    files = {
        f"{label:02}/{number}.png": encoded(label + 50 * number)
        for label, count in enumerate(counts)
        for number in range(count)
    }
    try:
        data = load(write_folder(tmp_path / "set", files))
    except DataError as error:
        assert "too few training images" in str(error)  # noqa: PT017
        assert max(counts) <= 2
        return
    assert data.train.classes == set(range(len(counts)))
    assert len(data.train) + len(data.validation) + len(data.test) == sum(counts)
    assert min(len(data.validation), len(data.test)) > 0


def test_twenty_classes_of_one_image_each(tmp_path):
    files = {f"{label:02}/0.png": encoded(label) for label in range(20)}
    with pytest.raises(DataError) as error:
        load(write_folder(tmp_path / "set", files))
    assert_one_line(error, "every class has a single image")


@pytest.mark.skipif(not JPEG_ARCHIVE.exists(), reason="the flowers are not beside the checkout")
def test_photos_of_many_shapes():
    data = load(JPEG_ARCHIVE, 32)
    assert data.classes == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert len(data.train) + len(data.validation) + len(data.test) == 3670
