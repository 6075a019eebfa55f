"""Files from the network: with progress, resumed where they broke off, checked, and whole or not there at all."""

import hashlib
import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from netspec.errors import DataError
from netspec.files import cannot_write, make_folder

CONNECT_SECONDS = 5.0  # name resolution included, so that a machine without network hears of it soon
STALL_SECONDS = 20.0
ATTEMPTS = 3
BLOCK = 1 << 18


@dataclass(frozen=True)
class Source:
    """A published file: where it is and what it must hash to."""

    url: str
    sha256: str

    @property
    def file_name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


def fetch(source: Source, folder: Path, *, connect_seconds: float = CONNECT_SECONDS) -> Path:
    """The file of `source` in `folder`, downloaded unless it is there.

    What has arrived stays in `<name>.part`, and the next call goes on from it. Raises `DataError` when the file cannot
    be had or is not the published one, `StorageError` when the disk refuses it.
    """
    target = folder / source.file_name
    if target.exists():
        return target
    part = make_folder(folder) / f"{source.file_name}.part"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(source, part, connect_seconds)
            break
        except (http.client.HTTPException, urllib.error.URLError, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            if isinstance(reason, socket.gaierror):
                reason = f"no network ({reason.strerror})"
            if attempt == ATTEMPTS or isinstance(error, urllib.error.URLError):
                again = "; run again to go on from where it broke off" if part.exists() else ""
                raise DataError(f"{source.url} cannot be downloaded: {reason}{again}") from error
    if _sha256(part) != source.sha256:
        part.unlink()
        raise DataError(f"{source.url}: what arrived is not the published file (SHA-256 differs); download it again")
    part.replace(target)
    return target


def _receive(source: Source, part: Path, connect_seconds: float) -> None:
    """Append to `part` what it lacks. An `IncompleteRead` tells of a connection that was cut."""
    offset = part.stat().st_size if part.exists() else 0
    try:
        response = _open(source.url, offset, connect_seconds)
    except urllib.error.HTTPError as error:
        if offset and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it arrived before; the hash will tell
        raise
    with response, _progress() as progress:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            offset = 0  # the server knows no ranges, and sends the whole
        missing = int(response.headers.get("Content-Length", 0))
        task = progress.add_task(source.file_name, completed=offset, total=offset + missing or None)
        try:
            with part.open("ab" if offset else "wb") as file:
                received = _copy(response, file, lambda count: progress.advance(task, count))
        except (TimeoutError, ConnectionError):
            raise
        except OSError as error:
            raise cannot_write(part, error) from error
    if received < missing:
        raise http.client.IncompleteRead(b"", missing - received)


def _copy(response: http.client.HTTPResponse, file: BinaryIO, advance: Callable[[int], None]) -> int:
    received = 0
    while block := response.read(BLOCK):
        file.write(block)
        received += len(block)
        advance(len(block))
    return received


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
