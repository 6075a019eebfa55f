"""Counts that other people's code or papers gave, with where they come from."""

import json
from functools import cache
from pathlib import Path

GOLDENS = Path(__file__).with_name("counts.json")
KEYS = {"trainable": "num_trainable", "total": "num_total", "macs": "macs"}


@cache
def goldens() -> dict[str, dict[str, object]]:
    """Rows by network's name: `trainable`, `total`, `macs`, and in `counted_by` whose code was run."""
    return {row["name"]: row for row in json.loads(GOLDENS.read_text())}


def expected(name: str) -> dict[str, int]:
    """Counts by the `Graph` attribute that they belong to; empty where there is no row."""
    row = goldens().get(name, {})
    return {attribute: int(str(row[key])) for key, attribute in KEYS.items() if row.get(key) is not None}
