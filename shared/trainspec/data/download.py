"""Files from the network: with progress, resumed where they broke off, checked, and whole or not there at all.

One process downloads a file at a time, others wait for it. A file is believed only after its SHA-256 was computed, on
later days too: hashing CIFAR's 170 MB takes less than half a second.
"""

import hashlib
import http.client
import os
import re
import shutil
import socket
import ssl
import stat
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from diptych.errors import DataError, StorageError
from diptych.files import cannot_write, clear_abandoned, make_folder
from diptych.stopping import check

CONNECT_SECONDS = 5.0  # name resolution included, so that a machine without network hears of it soon
STALL_SECONDS = 20.0
WAIT_SECONDS = 2.0  # for another process, before a word is said about it
LOOK_SECONDS = 0.5  # after which a waiting process looks whether it was asked to stop
ATTEMPTS = 3
BLOCK = 1 << 18
MAX_BYTES = 1 << 32  # of a file whose size is not published: a server may send for ever
CONTENT_RANGE = re.compile(r"bytes (\d+)-")
CUT = (http.client.HTTPException, urllib.error.URLError, TimeoutError, ConnectionError, ssl.SSLError)


@dataclass(frozen=True)
class Source:
    """A published file: where it is, what it must hash to, and its size in bytes where that is published."""

    url: str
    sha256: str
    size: int | None = None

    @property
    def file_name(self) -> str:
        return self.url.rsplit("/", 1)[-1]

    def is_whole(self, path: Path) -> bool:
        """Whether `path` is the published file. Raises `DataError` where it cannot be read."""
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{path}: not an ordinary file; remove it, so that it can be downloaded")
            return self.size in (None, status.st_size) and _sha256(path) == self.sha256
        except FileNotFoundError:
            return False
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); choose another DIPTYCH_CACHE") from error


def fetch(source: Source, folder: Path, *, connect_seconds: float = CONNECT_SECONDS) -> Path:
    """The file of `source` in `folder`, downloaded unless it is there whole; a damaged one is downloaded again.

    What has arrived stays in `<name>.part`, and the next call goes on from it. Raises `DataError` when the file cannot
    be had or is not the published one, `StorageError` when the disk refuses it.
    """
    target = folder / source.file_name
    if source.is_whole(target):  # without a lock: the folder may be read-only
        return target
    clear_abandoned(make_folder(folder))
    with _alone(folder, source.file_name):
        if source.is_whole(target):  # another process was faster
            return target
        part = folder / f"{source.file_name}.part"
        resumed = _size(part) > 0
        _download(source, part, connect_seconds)
        if resumed and not source.is_whole(part):  # what was there was of another file, or damaged
            _remove(part)
            _download(source, part, connect_seconds)
        if not source.is_whole(part):
            _remove(part)
            raise DataError(
                f"{source.url}: what arrived is not the published file (SHA-256 differs); download it again"
            )
        try:
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(target)
        except OSError as error:
            raise cannot_write(target, error) from error
    return target


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """While it lasts, no other process downloads `name`. The lock ends with its process, however that ends."""
    path = folder / f".{name}.lock"
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=WAIT_SECONDS)
        except Timeout:
            Console(stderr=True).print(f"another process downloads {name}: waiting for it", highlight=False)
            while True:
                check()
                with suppress(Timeout):
                    lock.acquire(timeout=LOOK_SECONDS)
                    break
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        yield
    finally:
        with suppress(OSError):  # who waits for a lock whose file is gone begins with a new one
            path.unlink()
        lock.release()


def _download(source: Source, part: Path, connect_seconds: float) -> None:
    """Have all of `source` in `part`, in a few attempts."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(source, part, connect_seconds)
            return
        except CUT as error:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            if isinstance(reason, socket.gaierror):
                reason = f"no network ({reason.strerror})"
            if attempt == ATTEMPTS or isinstance(error, urllib.error.URLError):
                again = "; run again to go on from where it broke off" if part.exists() else ""
                raise DataError(f"{source.url} cannot be downloaded: {reason}{again}") from error


def _receive(source: Source, part: Path, connect_seconds: float) -> None:
    """Append to `part` what it lacks. An `IncompleteRead` tells of a connection that was cut."""
    offset = _size(part)
    if source.size is not None and offset >= source.size:
        return  # the hash will tell
    try:
        response = _open(source.url, offset, connect_seconds)
    except urllib.error.HTTPError as error:
        if offset and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it arrived before; the hash will tell
        raise
    with response, _progress() as progress:
        start = _start(response, offset)
        if start not in (0, offset):
            raise http.client.HTTPException("the server sent another part than the one asked for")
        offset = start  # 0 where the server knows no ranges, and sends the whole
        most = (MAX_BYTES if source.size is None else source.size) - offset
        missing = min(_length(response), most) if source.size is None else most
        _refuse_without_room(part, missing)
        task = progress.add_task(source.file_name, completed=offset, total=offset + missing or None)
        try:
            with part.open("ab" if offset else "wb") as file:
                received = _copy(response, file, lambda count: progress.advance(task, count), most)
        except (TimeoutError, ConnectionError, ssl.SSLError):
            raise
        except OSError as error:
            raise cannot_write(part, error) from error
    if received < missing:
        raise http.client.IncompleteRead(b"", missing - received)


def _copy(
    response: http.client.HTTPResponse, file: BinaryIO, advance: Callable[[int], None], most: int = MAX_BYTES
) -> int:
    received = 0
    while received < most and (block := response.read1(min(BLOCK, most - received))):
        file.write(block)
        received += len(block)
        advance(len(block))
        check()
    return received


def _start(response: http.client.HTTPResponse, offset: int) -> int:
    """The byte that an answer begins with; `offset`, as asked, where a part does not say it."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0
    match = CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return int(match[1]) if match else offset


def _length(response: http.client.HTTPResponse) -> int:
    """What an answer says is its length, 0 where it does not."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else 0


def _refuse_without_room(part: Path, missing: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if missing > free:
        raise StorageError(
            f"{part} cannot be written: it needs {missing / 1e6:,.0f} MB and {free / 1e6:,.0f} MB are free; "
            "free some room or choose another DIPTYCH_CACHE"
        )


def _size(part: Path) -> int:
    """Of what has arrived, 0 where nothing has. Raises `DataError` for what is not a file."""
    try:
        status = part.stat()
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise cannot_write(part, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{part}: not an ordinary file; remove it, so that it can be downloaded")
    return status.st_size


def _remove(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(part, error) from error


def _open(url: str, offset: int, seconds: float) -> http.client.HTTPResponse:
    """The response from byte `offset` on, within `seconds`.

    In a thread of its own, because no timeout reaches the name resolver, which may take half a minute to give up.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={offset}-"} if offset else {})
    outcome: list[http.client.HTTPResponse | BaseException] = []

    def connect() -> None:
        try:
            outcome.append(urllib.request.urlopen(request, timeout=STALL_SECONDS))
        except BaseException as error:  # handed to the caller, whatever it is
            outcome.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise urllib.error.URLError("no answer (no network?)")
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _progress() -> Progress:
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), *columns, console=Console(stderr=True))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
