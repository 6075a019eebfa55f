"""Files of JSON lines that grow while a long run goes on, and that a killed one leaves readable."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from diptych.files import cannot_write, make_folder


def append_line(path: Path, entry: Mapping[str, Any]) -> None:
    """Add an entry in one write, on a line of its own whatever stands before it. Raises `StorageError`."""
    make_folder(path.parent)
    try:
        with path.open("ab+") as file:
            torn = file.tell() > 0 and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n"
            file.write(b"\n" * torn + json.dumps(entry).encode() + b"\n")
    except OSError as error:
        raise cannot_write(path, error) from error


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a file, or none. A line that is no entry (torn when a process was killed) is passed over."""
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            entry = json.loads(line)
        except ValueError:  # also bytes that are no text
            continue
        if isinstance(entry, dict):
            yield entry
