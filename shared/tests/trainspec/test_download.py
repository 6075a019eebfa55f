import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from served import CONTENT, Server, serving

from diptych.errors import DataError, StorageError
from trainspec.data import find_data, open_data
from trainspec.data.download import Source, fetch

FETCH = """
import sys
from pathlib import Path
from diptych.errors import DiptychError
from trainspec.data.download import Source, fetch
try:
    print(fetch(Source(sys.argv[1], sys.argv[2]), Path(sys.argv[3])), flush=True)
except DiptychError as error:
    sys.exit(f"error: {error}")
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def left(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


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
    with pytest.raises(DataError, match="run again to continue"):
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
    monkeypatch.setattr("trainspec.data.download.check", _no_room)
    with pytest.raises(StorageError, match="No space left"):
        fetch(server.source(), tmp_path)


def _no_room() -> None:
    raise OSError(28, os.strerror(28))


def test_a_server_that_never_answers(tmp_path, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: time.sleep(3))
    start = time.monotonic()
    with pytest.raises(DataError, match="no network"):
        fetch(Source("http://127.0.0.1:9/x", ""), tmp_path, connect_seconds=0.2)
    assert time.monotonic() - start < 2


def test_without_network(monkeypatch):
    monkeypatch.setattr(Source, "url", "http://127.0.0.1:9/x", raising=False)
    notices: list[str] = []
    with pytest.raises(DataError) as error:  # an explicit choice never falls back
        open_data("cifar10", 32, notice=notices.append)
    assert "cannot be downloaded" in str(error.value)
    assert "\n" not in str(error.value)
    assert notices == []
    assert find_data(None, notice=notices.append, on_gpu=True).name == "digits"
    assert len(notices) == 1
    assert notices[0].startswith("CIFAR-10 is not available")


@pytest.mark.parametrize("sized", [True, False])
def test_a_file_that_was_damaged_later_is_fetched_again(server, tmp_path, sized):
    path = fetch(server.source(sized=sized), tmp_path)
    for content in (b"", CONTENT[:-1], CONTENT[:-1] + b"x", CONTENT + b"x"):
        path.write_bytes(content)
        assert fetch(server.source(sized=sized), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None] * 5


def test_a_part_of_another_file_is_given_up(server, tmp_path):
    (tmp_path / "file.tar.gz.part").write_bytes(b"x" * 1000)
    assert fetch(server.source(), tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-", None]


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("announced", ["1000000", "299999", "1000", "-5", "many", "9" * 40])
def test_a_server_that_lies_about_its_length(server, tmp_path, announced, sized):
    server.announced = announced
    try:
        assert fetch(server.source(sized=sized), tmp_path).read_bytes() == CONTENT
    except DataError as error:
        told = str(error)
    else:
        told = ""
    assert "\n" not in told
    assert set(left(tmp_path)) <= ({"file.tar.gz.part"} if told else {"file.tar.gz"})
    server.announced = None
    assert fetch(server.source(sized=sized), tmp_path).read_bytes() == CONTENT
    assert left(tmp_path) == ["file.tar.gz"]


def test_a_server_that_sends_another_part(server, tmp_path):
    server.cuts, server.starts_at = (100_000,), 5
    with pytest.raises(DataError, match="another part"):
        fetch(server.source(), tmp_path)
    server.starts_at = 100_000
    assert fetch(server.source(), tmp_path).read_bytes() == CONTENT


def test_a_server_that_sends_for_ever(server, tmp_path):
    source = server.source(sized=True)
    server.endless = True
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    with pytest.raises(DataError, match="SHA-256"):
        fetch(replace(source, sha256="0" * 64), tmp_path)
    assert left(tmp_path) == ["file.tar.gz"]


def test_a_disk_without_room_is_told_before(server, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: os.terminal_size((0, 0)) and type("", (), {"free": 1000})())
    with pytest.raises(StorageError, match="free some room"):
        fetch(server.source(), tmp_path)


def test_a_cache_that_cannot_be_used(server, tmp_path):
    os.mkfifo(tmp_path / "file.tar.gz")
    with pytest.raises(DataError, match="not an ordinary file"):
        fetch(server.source(), tmp_path)
    os.mkfifo(tmp_path / "other.part")
    with pytest.raises(DataError, match="not an ordinary file"):
        fetch(server.source("other"), tmp_path)
    (tmp_path / "text").write_text("")
    with pytest.raises((DataError, StorageError), match="text"):
        fetch(server.source(), tmp_path / "text")


def test_a_folder_that_is_read_only_is_enough_where_the_file_is_there(server, tmp_path, monkeypatch):
    path = fetch(server.source(), tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("os.open", refuse)
    monkeypatch.setattr("os.mkdir", refuse)
    assert fetch(server.source(), tmp_path) == path


def start(source: Source, folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, source.url, source.sha256, folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fetched_by_a_pair(server: Server, folder: Path) -> None:
    pair = [start(server.source(), folder) for _ in range(2)]
    for process in pair:
        printed, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        assert printed == f"{folder / 'file.tar.gz'}\n"
        assert "Traceback" not in said
    assert (folder / "file.tar.gz").read_bytes() == CONTENT
    assert left(folder) == ["file.tar.gz"]


def pairs(server: Server, folder: Path, count: int, together: int) -> None:
    folders = [folder / str(number) for number in range(count)]
    with ThreadPoolExecutor(together) as pool:
        list(pool.map(lambda folder: fetched_by_a_pair(server, folder), folders))
    assert len(server.asked) == count  # who waited did not download


def test_two_pairs_of_processes_that_fetch_one_file(server, tmp_path):
    server.pause = 0.05
    pairs(server, tmp_path, 2, together=2)


@pytest.mark.long
def test_twenty_pairs_of_processes_that_fetch_one_file_from_a_slow_server(server, tmp_path):
    server.pause = 0.1
    pairs(server, tmp_path, 20, together=4)


def test_who_waits_for_a_killed_process_goes_on_from_what_it_left(server, tmp_path):
    server.pause = 0.1
    part = tmp_path / "file.tar.gz.part"
    killed = start(server.source(), tmp_path)
    while not part.exists() or part.stat().st_size == 0:
        time.sleep(0.01)
    waiting = start(server.source(), tmp_path)
    time.sleep(0.5)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    server.pause = 0
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, said
    assert (tmp_path / "file.tar.gz").read_bytes() == CONTENT
    assert left(tmp_path) == ["file.tar.gz"]
    assert len(server.asked) == 2
    assert server.asked[1] is not None


def test_whoever_waits_is_told(server, tmp_path):
    server.pause = 0.12
    pair = [start(server.source(), tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in pair]
    assert sum("another process downloads file.tar.gz: waiting for it" in text for text in said) == 1
