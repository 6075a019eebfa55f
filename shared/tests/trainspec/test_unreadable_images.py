"""What cannot be read as an image is the reader's own error: pipes, sockets, links, whatever a decoder raises."""

import os
import socket
from pathlib import Path

import pytest
from mutations import samples

from deploy.errors import ImageError
from deploy.images import MAX_BYTES, read_image


def test_what_is_not_an_ordinary_file(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "empty.png").write_bytes(b"")
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(6 << 30)
    with (tmp_path / "large.png").open("wb") as file:
        file.write(samples()["rgb.png"])
        file.truncate(MAX_BYTES + 1)
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # a socket's path is short
        listening.bind("socket.png")
        found = {}
        for path in (*tmp_path.iterdir(), Path("/dev/zero"), tmp_path / "none.png", Path("nul\0.png")):
            with pytest.raises(ImageError) as error:
                read_image(path)
            assert str(error.value).startswith(str(path))
            found[path.name] = str(error.value)
    for name, words in {
        "fifo.png": "not an ordinary file",
        "socket.png": "not an ordinary file",
        "zero": "not an ordinary file",
        "folder.png": "a folder",
        "link.png": "a link to a file that does not exist",
        "loop.png": "Too many levels",
        "empty.png": "an empty file",
        "sparse.png": "not an image",
        "large.png": "at most 128 MiB",
        "none.png": "no such file",
        "nul\0.png": "null",
    }.items():
        assert words in found[name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(samples()["rgb.png"])
    path.chmod(0)
    with pytest.raises(ImageError, match="Permission denied"):
        read_image(path)


@pytest.mark.parametrize(
    "error", [MemoryError(), RecursionError("deep"), OverflowError("x"), SystemError("\n"), Warning()]
)
def test_whatever_a_decoder_raises(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(ImageError, match=r"^x\.png: cannot be read as an image \(.+\)"):
        read_image(samples()["rgb.png"], name="x.png")
