"""What `python -m parity compare` does: trains if asked, compares runs, and writes pages."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from deploy.files import write_bytes
from deploy.shell import say
from diptych.errors import DataError
from parity.compare.comparison import NOT_TRAINED, Absent, Exact, attempt, compare
from parity.compare.figures import Cell, Figure, link
from parity.compare.overview import overview, write_overview
from parity.compare.page import write
from parity.compare.selection import name_of
from parity.compare.training import TRAINED, Trained, train
from parity.compare.verdict import sentences
from trainspec.agreement import agreement_of
from trainspec.judging import read_run

COMMANDS = "commands.json"  # beside a page: the trainings that were made for it
SHORT = ("--precision", "fp64", "--epochs", "1")
TIMES = (
    ("startup_seconds", "start-up, s", "not measured: the runs were not trained for this page"),
    ("total_seconds", "the whole command, s", "not measured: the runs were not trained for this page"),
)


def compare_training(
    arguments: Sequence[str], pages: Path, pythons: Sequence[Path] = (), *, float64: bool = False
) -> Path:
    """Train with `arguments` in every framework, then compare the runs. Returns the page's path.

    `pythons` are the Pythons of the frameworks; the default is this one. With `float64`, an epoch of the same recipe is
    also trained in float64, into the folder of the page.
    """
    pythons = pythons or [Path(sys.executable)] * len(TRAINED)
    if missing := next((python for python in pythons if shutil.which(python) is None), None):
        raise DataError(f"--python {missing}: not a program that can be run")
    trained = [train(framework, arguments, python) for framework, python in zip(TRAINED, pythons, strict=True)]
    runs = [one.run for one in trained]
    folder = pages / name_of(runs)
    table = [asdict(one) | {"run": one.run.name} for one in trained]
    write_bytes(folder / COMMANDS, (json.dumps(table, indent=1) + "\n").encode("utf-8", "replace"))
    exact = attempt(lambda: _exact(arguments, folder, pythons)) if float64 else Absent("--float64 was not given")
    return compare_runs(runs, pages, trained=trained, exact=exact)


def _exact(arguments: Sequence[str], folder: Path, pythons: Sequence[Path]) -> Exact:
    """Train an epoch in float64 in every framework. Raises `DataError` where that fails."""
    changed = [*arguments, *SHORT, "--out", str(folder / "float64")]
    runs = [train(framework, changed, python).run for framework, python in zip(TRAINED, pythons, strict=True)]
    one, other = map(read_run, runs)
    return Exact(agreement_of(one, other), tuple(link(folder, run / "run.json") for run in runs))


def compare_runs(
    runs: Sequence[Path],
    pages: Path,
    *,
    unfinished: bool = False,
    trained: Sequence[Trained] = (),
    exact: Exact | Absent = NOT_TRAINED,
) -> Path:
    """Compare runs and write the page into a folder of `pages`. Returns the page's path."""
    comparison = compare(runs, unfinished=unfinished, exact=exact)
    page = write(comparison, pages / name_of(runs), [_times(len(runs), trained, *time) for time in TIMES])
    for sentence in sentences(comparison):
        say(sentence)
    say(f"page        {page}")
    return page


def compare_all(root: Path, pages: Path) -> Path:
    """Write a table of all networks with runs under `root`. Returns the page's path."""
    found = overview(root, pages)
    page = write_overview(found, pages)
    for reason in found.left_out:
        say(f"left out    {reason}")
    say(f"page        {page}: {found}")
    return page


def _times(runs: int, trained: Sequence[Trained], name: str, title: str, absent: str) -> Figure:
    cells = [Cell(getattr(one, name), COMMANDS) for one in trained] or [Cell(None, reason=absent)] * runs
    return Figure(name, title, ",.1f", tuple(cells))
