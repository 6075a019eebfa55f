"""A set whose decoded images do not fit into memory is refused before any is decoded or fetched."""

import pytest
from samples import class_files, write_folder, write_zip
from silent_loading import assert_one_line, silent

from diptych.errors import DataError
from trainspec.data import Form, open_data
from trainspec.data.cifar import CIFAR10


def test_memory_is_worked_out_before_it_is_asked_for(tmp_path):
    path = write_folder(tmp_path / "set", class_files())
    for choice, images in ((str(path), "20 images"), (str(write_zip(tmp_path / "a.zip", class_files())), "20 images")):
        with pytest.raises(DataError) as error:
            open_data(choice, 40_000, notice=silent)
        assert_one_line(error, images, "40,000 x 40,000", "GiB are free", "smaller image size")
    with pytest.raises(DataError, match="1,797 images of 20,000 x 20,000 pixels need"):
        open_data("digits", 20_000, notice=silent)
    with pytest.raises(DataError, match="60,000 images of 5,000 x 5,000 pixels need"):
        open_data_of_cifar(5000)


def open_data_of_cifar(size: int) -> None:
    """Without a network: the memory is looked at before anything is fetched."""
    CIFAR10.load(Form(size), 0)
