"""Folders that are written to: without room, not writable, or no folders at all."""

from collections import namedtuple
from pathlib import Path

import pytest
from checkouts import checkout, problems

from doctor import machine
from doctor.data import files_of
from doctor.place import Place

Usage = namedtuple("Usage", "total used free")


def test_no_room(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "ROOM", 1 << 30)
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(9 << 30, 9 << 30, 1 << 20))
    found = problems(checkout(tmp_path, {}))
    assert found.keys() == {f"room for {what}" for what in ("runs", "temporary", "cache", "environments")}
    assert found["room for cache"].text == f"1.0 MiB free at {tmp_path / 'cache'}"
    assert found["room for cache"].remedy == "free 1,023.0 MiB there, or set DIPTYCH_CACHE to another folder"


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)  # the cache folder's nearest
    found = problems(checkout(tmp_path, {}))
    assert found.keys() == {"room for cache", "room for environments"}
    assert found["room for cache"].remedy == f"chmod u+wx {tmp_path}, or set DIPTYCH_CACHE to another folder"


def test_nox_makes_environments_only_in_a_checkout(tmp_path, monkeypatch):
    """Where pip has installed the doctor, the folder may be root's."""
    place = checkout(tmp_path, {})
    (tmp_path / "noxfile.py").unlink()
    monkeypatch.setattr(machine, "ROOM", 1 << 60)
    assert "room for environments" not in problems(place)
    assert "room for environments" in problems(Place(tmp_path, tmp_path / "given"))


def _file(path: Path) -> None:
    path.write_text("")


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _nowhere(path: Path) -> None:
    path.symlink_to(path.with_name("none"))


NO_FOLDERS = {
    _file: "it is not a folder",
    _loop: "Too many levels of symbolic links",
    _nowhere: "it is a link to nothing",
}


@pytest.mark.parametrize("inside", ["", "deeper"])
@pytest.mark.parametrize("make", NO_FOLDERS)
def test_a_name_that_is_no_folder(make, inside, tmp_path, monkeypatch):
    """For each folder that is written to, itself or one that it is in."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    wrong = tmp_path / "wrong"
    make(wrong)
    make(work / "runs")
    monkeypatch.setenv("DIPTYCH_CACHE", str(wrong / inside))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(wrong / inside))
    found = problems(Place(checkout(tmp_path, {}).root, wrong / inside))
    rooms = {f"room for {what}" for what in ("runs", "temporary", "cache", "environments")}
    assert found.keys() == {*rooms, "data sets"}
    assert all(NO_FOLDERS[make] in one.text for one in found.values())
    assert found["room for runs"].remedy.endswith("or give --out another folder") or make is _loop
    assert found["data sets"].remedy.endswith("set DIPTYCH_CACHE to another folder")
    assert "chmod" not in "".join(one.remedy for one in found.values())


def test_a_name_that_is_too_long(tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / ("x" * 300)))
    found = problems(checkout(tmp_path, {}))
    assert found.keys() == {"room for cache", "data sets"}
    assert {one.remedy for one in found.values()} == {"set DIPTYCH_CACHE to another folder"}
    assert all("(File name too long)" in one.text for one in found.values())


def test_a_folder_of_a_data_set_that_is_a_file(tmp_path):
    path = files_of("mnist")[0][0]
    path.parent.parent.mkdir()
    path.parent.write_bytes(b"x")
    (found,) = problems(checkout(tmp_path, {})).values()
    assert (found.subject, found.text) == ("mnist", f"{path.parent} cannot be used (it is not a folder)")
    assert found.remedy == f"move {path.parent} away, or set DIPTYCH_CACHE to another folder"
