"""Decoded images are kept for the next run and made again when outdated or damaged; a run can do without."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from samples import class_files, encoded, write_folder
from silent_loading import load

from trainspec.data import open_data


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
        "import os, pathlib, sys; from trainspec.data import Form, find_data\n"
        "def none(*_): raise RuntimeError('Could not determine home directory.')\n"
        "if sys.argv[1] == 'None': pathlib.Path.home = none\n"
        "for choice in ('digits', None, sys.argv[2]):\n"
        "    print(len(find_data(choice, notice=print, on_gpu=False).load(Form(8), 0).train))\n"
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
    assert kept.startswith("the decoded images are not saved for the next run")


def test_a_cache_on_a_full_disk_costs_one_notice(tmp_path, full_disk):
    notices: list[str] = []
    data = open_data(str(write_folder(tmp_path / "set", class_files())), 8, notice=notices.append)
    assert len(data.train) == 16
    assert len(notices) == 1
    assert "No space left" in notices[0]
