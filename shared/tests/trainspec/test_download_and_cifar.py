import hashlib
import http.server
import os
import pickle
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import write_tar

from netspec.errors import DataError, StorageError
from trainspec.data import cifar as cifar_module, find_data, open_data
from trainspec.data.cifar import CIFAR10, load_cifar
from trainspec.data.download import Source, fetch

CONTENT = np.random.default_rng(0).bytes(300_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` with ranges; `cuts` are the byte counts after which the next answers break off."""

    content = CONTENT
    cuts: tuple[int, ...] = ()
    ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    def source(self, name: str = "file.tar.gz") -> Source:
        return Source(f"http://127.0.0.1:{self.server_port}/{name}", hashlib.sha256(self.content).hexdigest())


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        start = int(wanted.split("=")[1].rstrip("-")) if wanted and self.server.ranges else 0
        if start >= len(self.server.content):
            self.send_error(416 if start else 404)
            return
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.cuts:
            cut, *rest = self.server.cuts
            self.server.cuts = tuple(rest)
            body = body[:cut]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


def test_a_file_is_fetched_once(server, tmp_path):
    path = fetch(server.source(), tmp_path)
    assert path.read_bytes() == CONTENT
    assert fetch(server.source(), tmp_path) == path
    assert server.asked == [None]
    assert [file.name for file in tmp_path.iterdir()] == ["file.tar.gz"]


def test_a_cut_connection_is_taken_up_again(server, tmp_path):
    server.cuts = (100_000, 50_000)
    assert fetch(server.source(), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_after_too_many_cuts_the_next_call_goes_on(server, tmp_path):
    server.cuts = (1000, 1000, 1000)
    with pytest.raises(DataError, match="run again to go on"):
        fetch(server.source(), tmp_path)
    assert (tmp_path / "file.tar.gz.part").stat().st_size == 3000
    assert fetch(server.source(), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=3000-"


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.ranges = False
    (tmp_path / "file.tar.gz.part").write_bytes(b"something older")
    assert fetch(server.source(), tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_complete_needs_no_byte(server, tmp_path):
    (tmp_path / "file.tar.gz.part").write_bytes(CONTENT)
    assert fetch(server.source(), tmp_path).read_bytes() == CONTENT


def test_another_file_than_the_published_one(server, tmp_path):
    with pytest.raises(DataError, match="SHA-256"):
        fetch(replace(server.source(), sha256="0" * 64), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file(server, tmp_path):
    server.content = b""
    with pytest.raises(DataError, match="cannot be downloaded: Not Found"):
        fetch(server.source(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk(server, tmp_path, monkeypatch):
    monkeypatch.setattr("trainspec.data.download._copy", _no_room)
    with pytest.raises(StorageError, match="No space left"):
        fetch(server.source(), tmp_path)


def _no_room(*_: object) -> int:
    raise OSError(28, os.strerror(28))


def test_a_server_that_never_answers(tmp_path, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: time.sleep(3))
    start = time.monotonic()
    with pytest.raises(DataError, match="no network"):
        fetch(Source("http://127.0.0.1:9/x", ""), tmp_path, connect_seconds=0.2)
    assert time.monotonic() - start < 2


def test_without_network(monkeypatch):
    monkeypatch.setattr(cifar_module.CIFAR10.source.__class__, "url", "http://127.0.0.1:9/x", raising=False)
    notices: list[str] = []
    with pytest.raises(DataError) as error:  # an explicit choice never falls back
        open_data("cifar10", 32, notice=notices.append)
    assert "cannot be downloaded" in str(error.value)
    assert "\n" not in str(error.value)
    assert notices == []
    assert find_data(None, notice=notices.append).name == "digits"
    assert len(notices) == 1
    assert notices[0].startswith("CIFAR-10 cannot be had")


def batch(seed: int, count: int, key: bytes = b"labels") -> bytes:
    random = np.random.default_rng(seed)
    return pickle.dumps(
        {b"data": random.integers(0, 256, (count, 3072), np.uint8), key: [i % 10 for i in range(count)]}, protocol=2
    )


def small_cifar(tmp_path: Path, **changes: bytes) -> Path:
    files = {name: batch(number, 20) for number, name in enumerate((*CIFAR10.train_files, CIFAR10.test_file))}
    files["batches.meta"] = pickle.dumps({b"label_names": [f"class{i}".encode() for i in range(10)]}, protocol=2)
    return write_tar(
        tmp_path / "cifar.tar.gz", {f"cifar-10-batches-py/{name}": body for name, body in {**files, **changes}.items()}
    )


def served_cifar(server: Server, path: Path) -> cifar_module.Cifar:
    server.content = path.read_bytes()
    return replace(CIFAR10, source=server.source())


def test_cifar_from_its_archive(server, tmp_path):
    data = load_cifar(served_cifar(server, small_cifar(tmp_path)), 32, 0)
    assert (len(data.train), len(data.validation), len(data.test)) == (90, 10, 20)
    assert data.classes == tuple(f"class{i}" for i in range(10))
    assert sorted(data.validation.labels) == list(range(10))
    row = np.random.default_rng(5).integers(0, 256, (20, 3072), np.uint8)[3]
    np.testing.assert_array_equal(data.test.images[3], np.stack(np.split(row, 3), -1).reshape(32, 32, 3))
    assert data.mean[0] == pytest.approx(0.4914, abs=1e-4)
    assert load_cifar(served_cifar(server, small_cifar(tmp_path)), 16, 0).image_shape == (16, 16, 3)


class Attack:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch attacked",)


@pytest.mark.parametrize(
    ("content", "words"),
    [(pickle.dumps(Attack()), "not allowed"), (b"no pickle", "not a CIFAR pickle"), (pickle.dumps([1]), "pickle")],
)
def test_pickles_that_are_no_cifar(server, tmp_path, monkeypatch, content, words):
    monkeypatch.chdir(tmp_path)  # where an attack would leave its mark
    cifar = served_cifar(server, small_cifar(tmp_path, test_batch=content))
    with pytest.raises(DataError, match=words) as error:
        load_cifar(cifar, 32, 0)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "attacked").exists()


def test_a_cifar_archive_with_other_contents(server, tmp_path):
    cifar = served_cifar(server, small_cifar(tmp_path, test_batch=batch(0, 3, key=b"fine_labels")))
    with pytest.raises(DataError, match="does not hold CIFAR-10"):
        load_cifar(cifar, 32, 0)
