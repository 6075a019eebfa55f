"""Counts from other people's code or papers, with their sources."""

import json
from functools import cache
from pathlib import Path

GOLDENS = Path(__file__).with_name("counts.json")
KEYS = {"trainable": "num_trainable", "total": "num_total", "macs": "macs"}


@cache
def goldens() -> dict[str, dict[str, object]]:
    """Rows by network's name: `trainable`, `total`, `macs`, and `counted_by`, which names the code that was run."""
    return {row["name"]: row for row in json.loads(GOLDENS.read_text())}


def expected(name: str) -> dict[str, int]:
    """Counts by `Graph` attribute; empty if there is no row."""
    row = goldens().get(name, {})
    return {attribute: int(str(row[key])) for key, attribute in KEYS.items() if row.get(key) is not None}
