"""A set whose decoded images do not fit into memory is refused before any is decoded or fetched."""

import pytest
from samples import class_files, write_folder, write_zip
from silent_loading import assert_one_line, silent

from diptych.errors import DataError
from trainspec.data import Form, find_data, open_data
from trainspec.data.cifar import CIFAR10


def test_memory_is_worked_out_before_it_is_asked_for(tmp_path):
    path = write_folder(tmp_path / "set", class_files())
    archive = write_zip(tmp_path / "a.zip", class_files())
    for choice, otherwise in (
        (path, "or leave the images in their files (--set data.storage=files)"),
        (archive, "or unpack it and give the folder"),
    ):
        with pytest.raises(DataError) as error:
            open_data(str(choice), 40_000, notice=silent)
        assert_one_line(error, "20 images", "40,000 x 40,000", "GiB are free", "smaller image size", otherwise)
    with pytest.raises(DataError, match="1,797 images of 20,000 x 20,000 pixels need"):
        open_data("digits", 20_000, notice=silent)
    with pytest.raises(DataError, match="60,000 images of 5,000 x 5,000 pixels need"):
        open_data_of_cifar(5000)


def open_data_of_cifar(size: int) -> None:
    """Without a network: the memory is looked at before anything is fetched."""
    CIFAR10.load(Form(size), 0)


def test_a_set_that_is_no_folder_of_images_is_not_to_be_unpacked():
    """CIFAR's files are pickles, and the digits are embedded."""
    for load in (CIFAR10.load, find_data("digits", notice=silent).load):
        with pytest.raises(DataError, match=r"so it is read into memory; leave out data\.storage$"):
            load(Form(32, storage="files"), 0)
