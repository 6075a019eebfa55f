"""The rows of a long run, saved one by one, so that a stopped or killed run continues where it was."""

import hashlib
import json
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

from deploy.files import make_folder, writing

Row = TypeVar("Row")
FINGERPRINT = "fingerprint"


class Ledger(Generic[Row]):
    """A file of JSON lines. Each line is a row with the fingerprint of its dependencies.

    `read` turns a line's table into a row, which is a dataclass, or returns None if it is not a row. Several processes
    may append to one file.
    """

    def __init__(self, path: Path, read: Callable[[dict[str, Any]], Row | None]) -> None:
        self.path, self.read = path, read

    def __iter__(self) -> Iterator[tuple[str, Row]]:
        """The fingerprints and rows in the file, oldest first. Lines that are not rows are skipped."""
        for line in self.path.read_bytes().splitlines() if self.path.is_file() else ():
            try:
                entry = json.loads(line)
            except ValueError:  # cut off when a process was killed, or bytes that are not text
                continue
            found = entry.pop(FINGERPRINT, None) if isinstance(entry, dict) else None
            if isinstance(found, str) and (row := self.read(entry)) is not None:
                yield found, row

    def rows(self) -> dict[str, Row]:
        """The newest row of each fingerprint."""
        return dict(self)

    def newest(self, key: Callable[[Row], Hashable]) -> dict[Any, Row]:
        """The newest row of each key, whatever its fingerprint."""
        return {key(row): row for _, row in self}

    def add(self, fingerprint: str, row: Row) -> None:
        """Append a row in one write, on a line of its own even after a torn line. Raises `StorageError`."""
        entry: Mapping[str, Any] = {**asdict(row), FINGERPRINT: fingerprint}  # type: ignore[call-overload]
        make_folder(self.path.parent)
        with writing(self.path), self.path.open("ab+") as file:
            torn = file.tell() > 0 and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n"
            file.write(b"\n" * torn + json.dumps(entry).encode() + b"\n")


def fingerprint(*parts: object) -> str:
    """16 hexadecimal digits that change when one of `parts` changes."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: the first column, of names, is left-aligned; the figures are right-aligned."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, [":--", *["--:"] * (len(head) - 1)], *rows))
