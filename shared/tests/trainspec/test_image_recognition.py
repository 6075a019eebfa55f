"""Which files of a set are its images: told by content; others are left out and named, or refused."""

import os

import pytest
from samples import class_files, encoded, write_folder, write_tar, write_zip
from silent_loading import assert_one_line, load, silent

from diptych.errors import DataError
from trainspec.data import open_data


def test_what_is_left_out_is_said(tmp_path):
    extra = {".DS_Store": b"x", "a/.DS_Store": b"x", "a/._0.png": b"x", "README.txt": b"x", "a/LICENSE": b"x"}
    extra |= {"__MACOSX/a/._0.png": encoded(1), "a/Thumbs.db": b"x", "labels.csv": b"a,b", ".git/a/0.png": encoded(2)}
    for path in (
        write_folder(tmp_path / "set", class_files() | extra),
        write_tar(tmp_path / "set.tar", class_files() | extra),
        write_zip(tmp_path / "set.zip", class_files() | extra),
    ):
        data = load(path)
        assert len(data.train) == 16
        assert data.summary() == (
            "train 16 images of 2 classes, validation 2 of 2, test 2 of 2; left out: "
            "4 hidden (.DS_Store, .git, a/.DS_Store, ...); 2 made by the operating system (__MACOSX, a/Thumbs.db); "
            "3 not an image (README.txt, a/LICENSE, labels.csv)"
        )
        assert load(path).summary() == data.summary()  # out of the cache


def test_nothing_left_out(tmp_path):
    data = load(write_folder(tmp_path / "set", class_files()))
    assert data.summary() == "train 16 images of 2 classes, validation 2 of 2, test 2 of 2; left out: nothing"
    assert open_data("digits", 8, notice=silent).summary() == (
        "train 1,293 images of 10 classes, validation 144 of 10, test 360 of 10; left out: nothing"
    )


@pytest.mark.parametrize("name", ["0.jfif", "0", "0.JPG", "0.dat", "0.gif", "0.png ", "0.jpg.bak"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_images_are_told_by_content(tmp_path, name, kind):
    files = class_files() | {f"a/{name}": encoded(7, kind=kind)}
    for path in (write_folder(tmp_path / "set", files), write_zip(tmp_path / "set.zip", files)):
        data = load(path)
        assert len(data.train) + len(data.validation) + len(data.test) == 20 + (name not in class_files())
        assert data.left_out == ()


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "AVIF", "ICO"])
@pytest.mark.parametrize("suffix", ["own", "png", "none"])
def test_images_of_other_formats_are_refused_by_name(tmp_path, kind, suffix):
    name = {"own": f"a/x.{kind.lower()}", "png": "a/x.png", "none": "a/x"}[suffix]
    if kind == "ICO" and suffix != "own":
        return  # it has no content of its own to be told by
    files = class_files() | {name: encoded(7, (16, 16), kind)}
    for path in (write_folder(tmp_path / "set", files), write_tar(tmp_path / "set.tar", files)):
        with pytest.raises(DataError) as error:
            load(path)
        assert_one_line(error, str(path), name, "not JPEG, PNG or WebP")


def test_files_that_are_refused_are_counted(tmp_path):
    """So that a folder with many of them is put in order once, not file by file."""
    files = class_files() | {"a/0.gif": b"GIF89a", "a/text.png": b"this is no image", "b/1.gif": b"GIF89a"}
    for path in (write_folder(tmp_path / "set", files), write_zip(tmp_path / "set.zip", files)):
        with pytest.raises(DataError) as error:
            load(path)
        assert_one_line(error, "a/0.gif", "not JPEG, PNG or WebP", "; 2 more files cannot be used")


def test_links_are_followed_but_not_in_circles(tmp_path):
    write_folder(tmp_path / "elsewhere", class_files("c"))
    path = write_folder(tmp_path / "set", class_files())
    (path / "c").symlink_to(tmp_path / "elsewhere" / "c")
    (path / "a" / "again").symlink_to(path)
    data = load(path)
    assert data.classes == ("a", "b", "c")
    assert data.summary().endswith("left out: 1 a link to a folder around it (a/again)")


def test_what_cannot_be_read_among_the_images(tmp_path):
    path = write_folder(tmp_path / "set", class_files())
    os.mkfifo(path / "a" / "pipe")
    assert load(path).summary().endswith("left out: 1 not an image (a/pipe)")
    for name, make, words in (
        ("fifo.png", os.mkfifo, "not an ordinary file"),
        ("link.png", lambda file: file.symlink_to("nothing"), "a link to a file that does not exist"),
        ("loop.png", lambda file: file.symlink_to(file), "symbolic links"),
        ("empty.png", lambda file: file.write_bytes(b""), "its content is not that of an image"),
        ("large.png", lambda file: (file.write_bytes(encoded(1)), os.truncate(file, 6 << 30)), "at most 128 MiB"),
        (
            "zeros.jpg",
            lambda file: (file.write_bytes(b""), os.truncate(file, 6 << 30)),
            "its content is not that of an image",
        ),
    ):
        file = path / "b" / name
        make(file)
        with pytest.raises(DataError) as error:
            load(path)
        assert_one_line(error, f"b/{name}", words)
        file.unlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", ["a/0.png", "a"])
def test_without_permission(tmp_path, name):
    path = write_folder(tmp_path / "set", class_files())
    (path / name).chmod(0)
    with pytest.raises(DataError) as error:
        load(path)
    (path / name).chmod(0o700)
    assert_one_line(error, name, "Permission denied")


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
