"""Files are there whole or not at all."""

import pytest

from netspec.files import written_whole


def test_written_whole(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with written_whole(path) as temporary:
        temporary.write_text("all of it")
        assert not path.exists()
    assert path.read_text() == "all of it"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail_in_the_middle():
        with written_whole(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail_in_the_middle()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_an_ordinary_files(tmp_path):
    ordinary, path = tmp_path / "ordinary", tmp_path / "file"
    ordinary.write_text("")
    with written_whole(path) as temporary:
        temporary.write_text("")
    assert path.stat().st_mode == ordinary.stat().st_mode
