"""Read and check a run's `run.json` and `metrics.jsonl`. They may have been changed by hand.

Every value that a run records is checked here, so that no command meets another type. A key may be missing, because the
run is unfinished or of an older version. Unknown keys are accepted, because other versions add some.
"""

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from deploy.runs import FINISHED as FINISHED, is_package
from diptych.errors import DataError, GraphError
from diptych.reading import is_absent, read_bytes
from netspec import Graph
from netspec.serialize import from_json
from trainspec.runs.metrics import EpochMetrics

SCHEMA = 1


def read_graph(folder: Path) -> Graph:
    """The network of a run. Raises `GraphError`."""
    file = folder / "graph.json"
    return from_json(read_bytes(file, GraphError), str(file))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_word(value: Any) -> bool:
    """Whether `value` may be part of a file name."""
    return isinstance(value, str) and re.fullmatch(r"\w{1,40}", value) is not None


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63


def _list_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


Kinds = Mapping[str, tuple[Callable[[Any], bool], str]]  # by key: a test of its value, and what is expected in words
TEXT, NUMBER, WHOLE = (_is_text, "a text"), (_is_number, "a finite number"), (_is_whole, "a whole number")
TEXTS, NUMBERS = (_list_of(_is_text), "a list of texts"), (_list_of(_is_number), "a list of finite numbers")
COUNTS = (_list_of(_is_whole), "a list of whole numbers")
OPTIONAL: tuple[Callable[[Any], bool], str] = (lambda value: value is None or _is_number(value), "a finite number")
TABLES = (_list_of(lambda value: isinstance(value, dict)), "a list of objects")
TABLE: tuple[Callable[[Any], bool], str] = (lambda value: isinstance(value, dict), "an object with keys")
TEXTS_BY_NAME: tuple[Callable[[Any], bool], str] = (
    lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
    "an object with texts",
)
SWITCH: tuple[Callable[[Any], bool], str] = (lambda value: isinstance(value, bool), "true or false")
COUNT: tuple[Callable[[Any], bool], str] = (lambda value: _is_whole(value) and value >= 0, "a number of things")
SOME: tuple[Callable[[Any], bool], str] = (lambda value: _is_whole(value) and value > 0, "a whole number above 0")
TIME: tuple[Callable[[Any], bool], str] = (lambda value: _is_number(value) and value > 0, "a number above 0")
PERCENT: tuple[Callable[[Any], bool], str] = (lambda value: _is_number(value) and 0 <= value <= 100, "a percentage")
DURATION: tuple[Callable[[Any], bool], str] = (lambda value: _is_number(value) and value >= 0, "a number from 0 on")
CONSTANTS = (_list_of(lambda value: _is_number(value) and abs(value) < 1e6), "a list of numbers below a million")
DIFFERENCES: tuple[Callable[[Any], bool], str] = (
    lambda value: isinstance(value, dict) and all(map(_is_number, value.values())),
    "an object with numbers",
)
NEEDED: Kinds = {
    "status": TEXT,
    "architecture": TEXT,
    "framework": (_is_word, "one word"),
    "data": TEXT,
    "data_label": TEXT,
    "plan_digests": TEXTS,
}
WEIGHTS: Kinds = {"file": TEXT, "sha256": TEXT}
READ_WHERE_PRESENT: Kinds = {
    **dict.fromkeys(("command", "recipe", "started", "device", "precision", "determinism", "reason"), TEXT),
    **dict.fromkeys(("data_choice", "data_path", "data_fingerprint", "train_fingerprint", "first_weights"), TEXT),
    **dict.fromkeys(("notes", "classes", "frameworks"), TEXTS),
    **dict.fromkeys(("mean", "std"), CONSTANTS),
    "first_losses": NUMBERS,
    "machine": TABLE,
    "versions": TEXTS_BY_NAME,
    "weights": (lambda value: isinstance(value, dict) and fits(value, WEIGHTS), "an object with file and sha256"),
    **dict.fromkeys(("test_top1", "test_top1_tta", "test_top1_unaveraged", "kept_val_top1"), PERCENT),
    **dict.fromkeys(
        ("validation_images", "steps", "kept_step", "checkpoints", "peak_memory", "peak_device_memory"), COUNT
    ),
    **dict.fromkeys(("threads", "train_images", "test_images"), SOME),
    **dict.fromkeys(("images_per_second", "train_seconds", "budget_used_seconds", "checkpoint_seconds"), DURATION),
    **dict.fromkeys(("epochs", "data_wait_seconds", "data_wait_percent"), DURATION),
    **dict.fromkeys(("deterministic", "schedule_ended"), SWITCH),
    "budget_seconds": TIME,
    "exports": DIFFERENCES,
    "resumed": TABLES,
}
_METRIC = {int: WHOLE, float: NUMBER, str: TEXT}
METRICS: Kinds = {field.name: _METRIC[field.type] for field in fields(EpochMetrics) if field.type in _METRIC}


def read_facts(folder: Path) -> tuple[dict[str, Any], list[EpochMetrics]]:
    """`run.json` and the epochs of `metrics.jsonl`. Raises `DataError`, in one line, where they are not a run's."""
    if is_absent(folder / "run.json"):
        raise DataError(f"{folder}: {_not_a_run(folder)}")
    facts = _object(folder, "run.json", read_bytes(folder / "run.json"))
    if facts.get("schema") != SCHEMA:
        raise DataError(f"{folder}: run.json is not of schema {SCHEMA}, the only one this version reads")
    _check(folder, "run.json", facts, NEEDED, needed=True)
    _check(folder, "run.json", facts, READ_WHERE_PRESENT, needed=False)
    lines = read_bytes(folder / "metrics.jsonl").splitlines()
    return facts, [_epoch(folder, f"metrics.jsonl, line {number}", line) for number, line in enumerate(lines, 1)]


def _not_a_run(folder: Path) -> str:
    """Say what a folder without `run.json` is, and suggest a run inside it."""
    if is_absent(folder):
        return "no such folder"
    if not os.path.isdir(folder):
        return "not the folder of a run, but a file"
    if is_package(folder):
        return "not the folder of a run, but a package; give the run that it was made of"
    runs = sorted(path.parent for path in folder.glob("*/run.json"))  # empty for a folder that cannot be read
    return "not the folder of a run" + (f"; give one of those in it, as {runs[-1]}" if runs else "")


def _epoch(folder: Path, name: str, line: bytes) -> EpochMetrics:
    table = _object(folder, name, line)
    known = {field.name for field in fields(EpochMetrics)}
    if table.keys() != known:
        wrong = ", ".join(sorted(table.keys() ^ known))
        raise DataError(f"{folder}: the run is damaged: {name} has missing or unknown keys: {wrong[:200]}")
    _check(folder, name, table, METRICS, needed=True)
    _check(folder, name, table, {key: NUMBER for key in known - METRICS.keys() if table[key] is not None}, needed=True)
    return EpochMetrics(**table)


def _object(folder: Path, name: str, text: bytes) -> dict[str, Any]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:  # also for bytes that are not text, and endlessly nested lists
        raise DataError(f"{folder}: the run is damaged: {name} is not JSON ({error})") from None
    if not isinstance(table, dict):
        raise DataError(f"{folder}: the run is damaged: {name} is not an object with keys")
    return table


def fits(table: Mapping[str, Any], kinds: Kinds) -> bool:
    """Whether a table has every key of `kinds`, each with a value that passes its test."""
    return all(key in table and holds(table[key]) for key, (holds, _) in kinds.items())


def _check(folder: Path, name: str, table: Mapping[str, Any], kinds: Kinds, *, needed: bool) -> None:
    for key, (holds, words) in kinds.items():
        if key not in table and needed:
            raise DataError(f"{folder}: the run is damaged: {name} has no {key}")
        if key in table and not holds(table[key]):
            shown = json.dumps(table[key])[:60]
            raise DataError(f"{folder}: the run is damaged: {key} is {shown} in {name}, not {words}")
