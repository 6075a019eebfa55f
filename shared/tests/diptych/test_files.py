"""Files are there whole or not at all, what killed writers left is cleared away, and advice fits the error."""

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from deploy.files import clear_abandoned, make_folder, replacing, write_bytes, write_together, writing, written_whole
from diptych.errors import StorageError

WRITER = """
import sys, time
from deploy.files import written_whole
with written_whole(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    time.sleep(60)
"""
ROOT = os.geteuid() == 0


def test_written_whole(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with written_whole(path) as temporary:
        assert temporary.suffix == ".txt"
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
        temporary.unlink()
        temporary.touch(mode=0o600)  # as some libraries write their files
    assert path.stat().st_mode == ordinary.stat().st_mode


def start_writer(path: Path) -> tuple[subprocess.Popen, Path]:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
    return writer, Path(writer.stdout.readline().rstrip("\n"))


def test_what_a_killed_writer_left_is_cleared_and_a_living_ones_is_not(tmp_path):
    for name in (".diptych-notes", ".model.x1y2.onnx", "model.onnx"):
        (tmp_path / name).write_text("a user's own")
    (tmp_path / ".diptych-0123456789").mkdir()
    own = {entry.name for entry in tmp_path.iterdir()}
    writer, temporary = start_writer(tmp_path / "model.onnx")
    try:
        (temporary.parent / "beside").write_text("what a library made")
        clear_abandoned(tmp_path)
        assert temporary.read_text() == "half"
        write_bytes(tmp_path / "other", b"x")
        assert temporary.read_text() == "half"
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    assert temporary.exists()
    write_bytes(tmp_path / "other", b"y")
    assert {entry.name for entry in tmp_path.iterdir()} == own | {"other"}
    assert (tmp_path / "model.onnx").read_text() == "a user's own"


def test_reading_takes_memory_for_the_file_and_not_for_the_limit(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 1000)
    program = (
        "import resource, sys; from deploy.files import read_bytes\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); print(len(read_bytes(sys.argv[1], 1 << 40)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "file"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1000\n"


def test_clearing_a_folder_that_is_not_there(tmp_path):
    clear_abandoned(tmp_path / "none")


def test_writers_of_one_name_side_by_side(tmp_path):
    path = tmp_path / "one"
    program = (
        "import sys; from deploy.files import write_bytes\n"
        "for _ in range(60): write_bytes(sys.argv[1], sys.argv[2].encode() * 10000)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, path, letter]) for letter in "abcd"]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert path.read_bytes() in [letter * 10_000 for letter in (b"a", b"b", b"c", b"d")]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "name", ["n" * 255, "n" * 250 + ".onnx", "a." + "s" * 253, "é" * 127, os.fsdecode(b"\xff\xfe.bin")]
)
def test_names_at_the_limit_of_the_file_system(tmp_path, name):
    write_bytes(tmp_path / name, b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def refused(path: Path) -> str:
    with pytest.raises(StorageError) as error, written_whole(path):
        pytest.fail("it was to be refused before it is written")
    assert str(error.value).startswith(f"{path} cannot be written: ")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_can_have_no_content_is_refused_before_it_is_written(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    before = sorted(tmp_path.iterdir())
    assert "choose a shorter name" in refused(tmp_path / ("n" * 256))
    assert "choose a shorter name" in refused(tmp_path / "d" / ("n" * 256) / "file")
    assert "give the name of a file" in refused(tmp_path / "folder")
    assert "a file has this name" in refused(tmp_path / "file" / "file")
    assert "not an ordinary file" in refused(tmp_path / "fifo")
    assert "symbolic links" in refused(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX):
        assert "not an ordinary file" in refused(Path("/dev/null"))
    (tmp_path / "d").rmdir()
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(StorageError, match="a file has this name"):
        make_folder(tmp_path / "file")


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    assert "choose a folder that you may write to" in refused(tmp_path / "file")


def test_the_file_that_was_refused_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"^/elsewhere/x cannot be written: No space"), replacing(tmp_path / "one"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/elsewhere/x")
    with (
        pytest.raises(StorageError, match=rf"^{tmp_path}/one cannot be written: No space"),
        replacing(tmp_path / "one"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_files_are_written_together_or_not_at_all(tmp_path, monkeypatch):
    write_together(tmp_path / "new", {"a": b"1", "b": b"2"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()} == {"a": b"1", "b": b"2"}
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=rf"^{tmp_path}/new/b cannot be written: No space"):
        write_together(tmp_path / "new", {"a": b"3", "b": b"4"})
    (tmp_path / "new" / "c").mkdir()
    with pytest.raises(StorageError, match=rf"^{tmp_path}/new/c cannot be written: Is a directory"):
        write_together(tmp_path / "new", {"a": b"3", "c": b"4"})
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a", "b", "c"]
    assert (tmp_path / "new" / "a").read_bytes() == b"1"


def test_a_full_temporary_folder_can_be_another_one(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for place, words in (
        (tmp_path / "model.onnx", "another place, for temporary files by TMPDIR$"),
        (Path("x"), "place$"),
    ):
        with pytest.raises(StorageError, match=words), writing(place):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_without_a_temporary_folder(monkeypatch, tmp_path):
    """To find one, Python writes into it."""

    def full(*_):
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "gettempdir", full)
    with pytest.raises(StorageError, match="No space left"), writing(tmp_path / "model.onnx"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("code", sorted(errno.errorcode))
def test_room_is_only_asked_for_where_it_is_missing(code):
    with pytest.raises(StorageError) as caught, writing(Path("file")):
        raise OSError(code, os.strerror(code))
    message = str(caught.value)
    assert ("free some room" in message) == (code in (errno.ENOSPC, errno.EDQUOT))
    assert message.startswith(f"file cannot be written: {os.strerror(code)}; ")
