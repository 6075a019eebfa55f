"""Caches: named with their size, and removed; nothing else is touched."""

import json
from pathlib import Path

import pytest
from checkouts import checkout

from diptych.errors import StorageError
from doctor.__main__ import clean
from doctor.caches import Cache, caches, check
from doctor.data import files_of
from doctor.place import Place


@pytest.fixture
def place(tmp_path) -> Place:
    """A checkout with caches, and with things that are none."""
    archive = files_of("cifar10")[0][0].relative_to(tmp_path)
    files = {
        f"{archive}": 300,
        f"{archive}.part": 20,
        "cache/decoded/one.npz": 1000,
        "cache/mine.txt": 7,
        ".mypy_cache/deep/inside": 50,
        "shared/netspec/__pycache__/graph.pyc": 60,
        "__pycache__/noxfile.pyc": 3,
        "shared/netspec/graph.py": 5,
        "runs/one/weights.safetensors": 9,
    }
    for path, size in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(bytes(size))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_bytes(bytes(999))
    (tmp_path / "cache" / "decoded" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".ruff_cache").symlink_to(tmp_path / "elsewhere")
    return checkout(tmp_path, {})


def test_sizes(place, tmp_path):
    sizes = {one.what: one.size for one in caches(place)}
    link = (tmp_path / ".ruff_cache").lstat().st_size
    assert sizes.keys() == {"downloaded data sets", "decoded images", "caches of tools", "compiled Python"}
    assert (sizes["downloaded data sets"], sizes["compiled Python"]) == (320, 63)
    assert sizes["decoded images"] + sizes["caches of tools"] == 1000 + 50 + link
    assert [one.facts["bytes"] for one in check(place)] == list(sizes.values())


def test_clean_says_what_it_removes_and_removes_nothing_else(place, tmp_path, capsys):
    assert clean(place, as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "remove     downloaded data sets",
        "remove     decoded images",
        "remove     caches of tools",
        "remove     compiled Python",
    ]
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    machine = {name for name in left if name.startswith("machine/")}
    assert left - machine == {
        "cache/mine.txt",
        "shared/netspec/graph.py",
        "runs/one/weights.safetensors",
        "elsewhere/kept",
        "constraints.txt",
        "noxfile.py",
    }
    assert clean(place, as_json=False) == 0
    assert capsys.readouterr().out == "there is no cache to remove\n"


def test_the_compiled_files_of_python_itself_stay(place):
    """Where pip has installed the doctor, its root is the folder of the standard library."""
    (place.root / "noxfile.py").unlink()
    assert place.root / "__pycache__" not in {path for one in caches(place) for path in one.paths}


def test_a_file_that_vanishes_meanwhile(tmp_path):
    (tmp_path / "here").write_bytes(bytes(60))
    assert Cache("compiled Python", (tmp_path / "gone", tmp_path / "here")).size == 60


def test_clean_as_json(place, tmp_path, capsys):
    assert clean(place, as_json=True) == 0
    removed = json.loads(capsys.readouterr().out)["removed"]
    assert removed[0]["what"] == "downloaded data sets"
    assert removed[0]["bytes"] == 320
    assert not Path(removed[1]["paths"][0]).exists()


def test_what_cannot_be_removed(place, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(StorageError, match="cannot be removed: Permission denied"):
        clean(place, as_json=False)
