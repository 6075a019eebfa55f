"""Download files: show progress, resume broken downloads, check the hash, and never leave a file half-written.

Only one process downloads a file; others wait for it. The SHA-256 of a file is checked on every use, not only after
the download: hashing CIFAR's 170 MB takes less than half a second.
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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from deploy.files import clear_abandoned, make_folder, writing
from diptych.errors import DataError, StorageError
from diptych.stopping import check

CONNECT_SECONDS = 5.0  # includes name resolution, so that a machine without a network fails soon
STALL_SECONDS = 20.0
WAIT_SECONDS = 2.0  # for another process, before a message is printed
LOOK_SECONDS = 0.5  # between two checks of a waiting process whether it was asked to stop
ATTEMPTS = 3
BLOCK = 1 << 18
MAX_BYTES = 1 << 32  # limit for a file without a published size: a server may send for ever
CONTENT_RANGE = re.compile(r"bytes (\d+)-")
CUT = (http.client.HTTPException, urllib.error.URLError, TimeoutError, ConnectionError, ssl.SSLError)


@dataclass(frozen=True)
class Source:
    """A published file: its URL, its SHA-256, and its size in bytes if that is published."""

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
    """The path of `source` in `folder`. The file is downloaded if it is missing or damaged.

    A broken download stays in `<name>.part`, and the next call resumes it. Raises `DataError` when the file cannot be
    downloaded or is not the published one, `StorageError` when it cannot be written.
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
        if resumed and not source.is_whole(part):  # the old part was damaged or came from another file
            _remove(part)
            _download(source, part, connect_seconds)
        if not source.is_whole(part):
            _remove(part)
            raise DataError(
                f"{source.url}: what arrived is not the published file (SHA-256 differs); download it again"
            )
        with writing(target):
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(target)
    return target


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Keep other processes from downloading `name`. The lock ends with its process, however the process ends."""
    path = folder / f".{name}.lock"
    lock = FileLock(path)
    with writing(path):
        try:
            lock.acquire(timeout=WAIT_SECONDS)
        except Timeout:
            Console(stderr=True).print(f"another process downloads {name}: waiting for it", highlight=False)
            while True:
                check()
                with suppress(Timeout):
                    lock.acquire(timeout=LOOK_SECONDS)
                    break
    try:
        yield
    finally:
        with suppress(OSError):  # a process that waits for the removed file starts over with a new one
            path.unlink()
        lock.release()


def _download(source: Source, part: Path, connect_seconds: float) -> None:
    """Download the rest of `source` into `part`, in at most `ATTEMPTS` attempts."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(source, part, connect_seconds)
            return
        except CUT as error:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            if isinstance(reason, socket.gaierror):
                reason = f"no network ({reason.strerror})"
            if attempt == ATTEMPTS or isinstance(error, urllib.error.URLError):
                again = "; run again to continue the download" if part.exists() else ""
                raise DataError(f"{source.url} cannot be downloaded: {reason}{again}") from error


def _receive(source: Source, part: Path, connect_seconds: float) -> None:
    """Append the missing bytes to `part`. Raises `IncompleteRead` where the connection was cut."""
    offset = _size(part)
    if source.size is not None and offset >= source.size:
        return  # the caller checks the hash
    try:
        response = _open(source.url, offset, connect_seconds)
    except urllib.error.HTTPError as error:
        if offset and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all bytes arrived before; the caller checks the hash
        raise
    with response, _progress() as progress:
        start = _start(response, offset)
        if start not in (0, offset):
            raise http.client.HTTPException("the server sent another part of the file than was requested")
        offset = start  # 0 where the server does not support ranges and sends the whole file
        most = (MAX_BYTES if source.size is None else source.size) - offset
        missing = min(_length(response), most) if source.size is None else most
        _refuse_without_room(part, missing)
        task = progress.add_task(source.file_name, completed=offset, total=offset + missing or None)
        received = 0
        with writing(part), part.open("ab" if offset else "wb") as file:
            for block in _blocks(response, most):
                file.write(block)
                received += len(block)
                progress.advance(task, len(block))
                check()
    if received < missing:
        raise http.client.IncompleteRead(b"", missing - received)


def _blocks(response: http.client.HTTPResponse, most: int) -> Iterator[bytes]:
    """At most `most` bytes of a response. Raises `HTTPException`: an `OSError` would look like one of the disk."""
    while most > 0:
        try:
            block = response.read1(min(BLOCK, most))
        except OSError as error:
            raise http.client.HTTPException(str(error) or type(error).__name__) from error
        if not block:
            return
        most -= len(block)
        yield block


def _start(response: http.client.HTTPResponse, offset: int) -> int:
    """The position of the response's first byte; `offset`, as requested, where a partial response does not say it."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0
    match = CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return int(match[1]) if match else offset


def _length(response: http.client.HTTPResponse) -> int:
    """The response's `Content-Length`, or 0 without one."""
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
    """The size of `part`, or 0 if it does not exist. Raises `DataError` where it is not an ordinary file."""
    with writing(part):
        try:
            status = part.stat()
        except FileNotFoundError:
            return 0
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{part}: not an ordinary file; remove it, so that it can be downloaded")
    return status.st_size


def _remove(part: Path) -> None:
    with writing(part):
        part.unlink(missing_ok=True)


def _open(url: str, offset: int, seconds: float) -> http.client.HTTPResponse:
    """The response from byte `offset` on, within `seconds`.

    The request runs in its own thread, because timeouts do not apply to name resolution, which can take half a minute.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={offset}-"} if offset else {})
    outcome: list[http.client.HTTPResponse | BaseException] = []

    def connect() -> None:
        try:
            outcome.append(urllib.request.urlopen(request, timeout=STALL_SECONDS))
        except BaseException as error:  # raised again in the caller's thread
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
