"""Rows of an earlier table, from its `results.json`: their runs may be on another machine, or gone."""

import json
import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from diptych.errors import DataError
from diptych.reading import read_bytes
from trainspec.results.rows import Row
from trainspec.runs.reading import COUNTS, NUMBER, OPTIONAL, TABLE, TEXT, TEXTS, TEXTS_BY_NAME, WHOLE, Kinds, fits

_KIND = {
    int: WHOLE,
    float: NUMBER,
    str: TEXT,
    tuple[int, ...]: COUNTS,
    tuple[str, ...]: TEXTS,
    dict[str, str]: TEXTS_BY_NAME,
    dict[str, Any]: TABLE,
    int | None: OPTIONAL,
    float | None: OPTIONAL,
}
KINDS: Kinds = {name: _KIND[type_] for name, type_ in get_type_hints(Row).items()}


def is_earlier(place: Path) -> bool:
    """Whether a place of runs is the file of an earlier table."""
    return place.suffix == ".json" and os.path.isfile(place)


def dropped(file: Path, rows: Iterable[Row]) -> int:
    """How many rows of an earlier table are not among `rows`; 0 for a file that is not one."""
    try:
        return len({row.group for row in read_rows(file)} - {row.group for row in rows})
    except DataError:
        return 0


def read_rows(file: Path) -> list[Row]:
    """The rows of a `results.json`. Raises `DataError` for a file that is not one."""
    try:
        entries = json.loads(read_bytes(file))["rows"]
        if not entries or not all(fits(entry, KINDS) for entry in entries):
            raise ValueError
        return [Row(**{field.name: _value(entry[field.name]) for field in fields(Row)}) for entry in entries]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DataError(f"{file}: not a table of `nox -s results`; give its results.json or folders of runs") from None


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
