import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from samples import class_files, encoded, write_folder, write_tar, write_zip

from netspec.errors import DataError
from trainspec.data import open_data
from trainspec.data.cifar import CIFAR10, load_cifar
from trainspec.data.images import resize_arrays

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
            "4 hidden (.DS_Store, .git, a/.DS_Store, ...); 2 made by a system (__MACOSX, a/Thumbs.db); "
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
        assert_one_line(error, str(path), name, "neither JPEG nor PNG nor WebP")


@pytest.mark.parametrize("depth", [1, 3, 4, 5, 6, 40, 400])
def test_images_at_any_depth_are_seen(tmp_path, depth):
    name = "/".join(["a", *["d"] * depth, "0.png"])
    files = class_files() | {name: encoded(5)}
    for path in (write_folder(tmp_path / "set", files), write_tar(tmp_path / "set.tar", files)):
        with pytest.raises(DataError) as error:
            load(path)
        assert_one_line(error, name, "not in a class folder")


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
        ("empty.png", lambda file: file.write_bytes(b""), "no image's content"),
        ("large.png", lambda file: (file.write_bytes(encoded(1)), os.truncate(file, 6 << 30)), "at most 128 MiB"),
        ("zeros.jpg", lambda file: (file.write_bytes(b""), os.truncate(file, 6 << 30)), "no image's content"),
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
    load_cifar(CIFAR10, size, 0)


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


def test_the_cache_is_used_and_renewed(tmp_path, cache, monkeypatch):
    path = write_folder(tmp_path / "set", class_files())
    first = load(path)
    assert len(list((cache / "decoded").iterdir())) == 1
    monkeypatch.setattr("trainspec.data.class_folder.decode_all", lambda *_: pytest.fail("decoded again"))
    np.testing.assert_array_equal(load(path).train.images, first.train.images)
    monkeypatch.undo()
    monkeypatch.setenv("DIPTYCH_CACHE", str(cache))

    (path / "a" / "0.png").write_bytes(encoded(999))
    os.utime(path / "a" / "0.png", (1, 1))
    assert brightness(load(path)) != brightness(first)


def huge_header(entry: Path, arrays: dict) -> None:
    """An array whose header asks for a terabyte."""
    write_entry(entry, arrays)
    content = entry.read_bytes()
    at = content.index(b"'shape': (20, 8, 8, 3)")
    end = content.index(b"\n", at)
    lie = b"'shape': (5000000000, 8, 8, 3), }".ljust(end - at)
    entry.write_bytes(content[:at] + lie + content[end:])


def write_entry(entry: Path, arrays: dict) -> None:
    with entry.open("wb") as file:
        np.savez(file, **arrays)


DAMAGES = {
    "empty": lambda entry, arrays: entry.write_bytes(b""),
    "cut": lambda entry, arrays: entry.write_bytes(entry.read_bytes()[:-1000]),
    "flipped": lambda entry, arrays: entry.write_bytes(entry.read_bytes().replace(b"\0\0\1", b"\0\0\2", 1)[:-1]),
    "text": lambda entry, arrays: entry.write_text("no archive"),
    "fifo": lambda entry, arrays: (entry.unlink(), os.mkfifo(entry)),
    "folder": lambda entry, arrays: (entry.unlink(), entry.mkdir()),
    "dtype": lambda entry, arrays: write_entry(entry, arrays | {"_images": arrays["_images"].astype(np.float32)}),
    "shape": lambda entry, arrays: write_entry(entry, arrays | {"_images": arrays["_images"][:, :7]}),
    "size": lambda entry, arrays: write_entry(entry, arrays | {"_images": arrays["_images"][..., :1]}),
    "fewer": lambda entry, arrays: write_entry(entry, arrays | {"_images": arrays["_images"][1:]}),
    "labels": lambda entry, arrays: write_entry(entry, arrays | {"_labels": arrays["_labels"] + 1}),
    "label": lambda entry, arrays: write_entry(entry, arrays | {"_labels": arrays["_labels"] * 0}),
    "negative": lambda entry, arrays: write_entry(entry, arrays | {"_labels": -arrays["_labels"]}),
    "floats": lambda entry, arrays: write_entry(entry, arrays | {"_labels": arrays["_labels"] / 2}),
    "objects": lambda entry, arrays: write_entry(entry, arrays | {"_labels": np.array([None] * 20, object)}),
    "no facts": lambda entry, arrays: write_entry(entry, {k: v for k, v in arrays.items() if k != "facts"}),
    "facts": lambda entry, arrays: write_entry(entry, arrays | {"facts": np.frombuffer(b'{"classes": 3}', np.uint8)}),
    "no images": lambda entry, arrays: write_entry(entry, {"facts": arrays["facts"]}),
    "more": lambda entry, arrays: write_entry(entry, arrays | {"x": np.zeros(3)}),
    "split": lambda entry, arrays: write_entry(entry, arrays | {"odd_images": arrays["_images"], "odd_labels": [0]}),
    "packed": lambda entry, arrays: np.savez_compressed(entry, **arrays),
    "huge header": huge_header,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_entry_is_made_again(tmp_path, cache, damage):
    path = write_folder(tmp_path / "set", class_files())
    first = load(path)
    (entry,) = (cache / "decoded").iterdir()
    arrays = dict(np.load(entry))
    DAMAGES[damage](entry, arrays)
    notices: list[str] = []
    again = open_data(str(path), 8, notice=notices.append)
    np.testing.assert_array_equal(again.train.images, first.train.images)
    np.testing.assert_array_equal(again.train.labels, first.train.labels)
    assert again.classes == ("a", "b")
    assert len(notices) == (damage in ("folder", "fifo"))
    if not notices:
        assert dict(np.load(entry)).keys() == arrays.keys()


def test_two_processes_decode_one_set(tmp_path, cache):
    path = write_folder(tmp_path / "set", class_files(count=40))
    program = (
        "import sys; from trainspec.data import open_data\n"
        "print(open_data(sys.argv[1], 8, notice=lambda text: sys.exit(text)).train.images.sum())"
    )
    pair = [subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE, text=True) for _ in "ab"]
    assert len({process.communicate()[0] for process in pair}) == 1
    assert [process.returncode for process in pair] == [0, 0]
    assert len(list((cache / "decoded").iterdir())) == 1


@pytest.mark.parametrize("home", [None, "/nonexistent/home", "/dev/null"])
def test_a_user_without_a_home_folder(tmp_path, home):
    path = write_folder(tmp_path / "set", class_files())
    program = (
        "import os, pathlib, sys; from trainspec.data import find_data\n"
        "def none(*_): raise RuntimeError('Could not determine home directory.')\n"
        "if sys.argv[1] == 'None': pathlib.Path.home = none\n"
        "for choice in ('digits', None, sys.argv[2]):\n"
        "    print(len(find_data(choice, notice=print, on_gpu=False).load(8, 0).train))\n"
    )
    hidden = ("HOME", "DIPTYCH_CACHE", "XDG_CACHE_HOME")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    if home:
        environment["HOME"] = home
    if os.geteuid() == 0 and home == "/nonexistent/home":
        pytest.skip("root makes its home folder")
    done = subprocess.run(
        [sys.executable, "-c", program, str(home), path], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    digits, note, again, kept, ours = done.stdout.splitlines()
    assert (digits, again, ours) == ("1293", "1293", "16")
    assert note.startswith("no GPU")
    assert kept.startswith("the decoded images are not kept for the next run")


def test_a_cache_on_a_full_disk_costs_one_notice(tmp_path, full_disk):
    notices: list[str] = []
    data = open_data(str(write_folder(tmp_path / "set", class_files())), 8, notice=notices.append)
    assert len(data.train) == 16
    assert len(notices) == 1
    assert "No space left" in notices[0]


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
