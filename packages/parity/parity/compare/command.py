"""What `python -m parity compare` does: trains if asked, compares runs, and writes pages."""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deploy.arguments import checked
from deploy.commands import add_options
from deploy.files import write_bytes
from deploy.options import Parser
from deploy.shell import say
from diptych.errors import DataError
from parity.compare.comparison import FLOAT64, UNTRAINED, Absent, Short, attempt, compare
from parity.compare.figures import Cell, Figure, link
from parity.compare.overview import overview, write_overview
from parity.compare.page import write
from parity.compare.selection import name_of
from parity.compare.training import Trained, train
from parity.compare.verdict import sentences
from parity.frameworks import FRAMEWORKS
from trainspec.agreement import agreement_of
from trainspec.judging import read_run
from trainspec.resumption import RESUMABLE_OPTIONS
from trainspec.runs import Run

COMMANDS = "commands.json"  # beside a page: the trainings that were made for it
PRECISIONS = {"float32": "fp32", FLOAT64: "fp64"}  # of short trainings, by the name of their folder beside a page
STEPS = 20  # that a short training takes at most
LENGTH = ("--epochs", "--budget", "--resume")  # the options of a training that decide how many steps it takes
TIMES = (
    ("startup_seconds", "start-up, s", "not measured: the runs were not trained for this page"),
    ("total_seconds", "the whole command, s", "not measured: the runs were not trained for this page"),
)


def compare_training(
    arguments: Sequence[str], pages: Path, pythons: Sequence[Path] = (), *, float64: bool = True
) -> Path:
    """Train with `arguments` in every framework, then compare the runs. Returns the page's path.

    `pythons` are the Pythons of the frameworks; the default is this one. With `float64`, `STEPS` steps of the same
    recipe are also trained in float64, and in float32 if the runs have another precision, into the folder of the page.
    """
    pythons = pythons or [Path(sys.executable)] * len(FRAMEWORKS)
    if missing := next((python for python in pythons if shutil.which(python) is None), None):
        raise DataError(f"--python {missing}: not a program that can be run")
    trained = [train(framework, arguments, python) for framework, python in zip(FRAMEWORKS, pythons, strict=True)]
    runs = [one.run for one in trained]
    folder = pages / name_of(runs)
    table = [asdict(one) | {"run": one.run.name} for one in trained]
    write_bytes(folder / COMMANDS, (json.dumps(table, indent=1) + "\n").encode("utf-8", "replace"))
    if not float64:
        return compare_runs(runs, pages)
    short = [*_of_any_length(arguments), "--epochs", _short_epochs(Run.open(runs[0]).facts)]
    return compare_runs(
        runs,
        pages,
        short={name: attempt(lambda name=name: _train_short(short, folder, name, pythons)) for name in _others(runs)},  # type: ignore[misc]
    )


def _others(runs: Sequence[Path]) -> list[str]:
    """The precisions of short trainings: those that not all runs have."""
    trained = {Run.open(run).facts["precision"] for run in runs}
    return [name for name, precision in PRECISIONS.items() if trained != {precision}]


def _short_epochs(facts: Mapping[str, Any]) -> str:
    """The epochs of a training of `STEPS` steps, at most one. A step that is begun counts, so half of the last do."""
    return f"{min(1.0, (STEPS - 0.5) * facts['epochs'] / facts['steps']):.6f}"


def _train_short(arguments: Sequence[str], folder: Path, name: str, pythons: Sequence[Path]) -> Short:
    """Train in the precision `name` in every framework. Raises `DataError` where that fails."""
    changed = [*arguments, "--precision", PRECISIONS[name], "--out", str(folder / name)]
    for framework, python in zip(FRAMEWORKS, pythons, strict=True):
        train(framework, changed, python)
    return _short(folder, name)


def _of_any_length(arguments: Sequence[str]) -> list[str]:
    """The arguments of a training without those that decide its length."""
    parser = Parser()
    add_options(parser, [option for option in RESUMABLE_OPTIONS if option.names[0] in LENGTH])
    return parser.parse_known_args(arguments)[1]


def _short(folder: Path, name: str) -> Short:
    """The runs in the precision `name` that were trained for the page in `folder`.

    Raises `DataError` where one is missing, and for runs that prove nothing: they are not of equally many steps.
    """
    read = [read_run(file.parent) for file in sorted(folder.glob(f"{name}/*/run.json"))]
    found = {run.facts["framework"]: (run, graph, weights) for run, graph, weights in read}
    if set(found) != set(FRAMEWORKS):
        raise DataError("no short training was made")
    one, other = (found[framework] for framework in FRAMEWORKS)
    a, b = (run.steps for run, _, _ in (one, other))
    if a != b:
        raise DataError(f"not compared: {a} and {b} steps")
    return Short(a, agreement_of(one, other), tuple(link(folder, run.folder) for run, _, _ in (one, other)))


def _trained(folder: Path, runs: Sequence[Path]) -> list[Trained]:
    """The trainings that the page in `folder` was made for, where they are those of `runs`.

    Raises `DataError` for a damaged `commands.json`.
    """
    file = folder / COMMANDS
    if not os.path.isfile(file):
        return []
    try:
        table = json.loads(file.read_bytes())
        if [entry["run"] for entry in table] != [Path(os.path.realpath(run)).name for run in runs]:
            return []
        seconds = [{name: float(entry[name]) for name, _, _ in TIMES} for entry in table]
        return [Trained(run, entry["command"], **times) for run, entry, times in zip(runs, table, seconds, strict=True)]
    except (OSError, ValueError, TypeError, LookupError):
        raise DataError(f"{file}: damaged; remove it to compare without the times of the trainings") from None


@checked
def compare_runs(
    runs: Sequence[str | os.PathLike[str]],
    pages: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    unfinished: bool = False,
    short: Mapping[str, Short | Absent] | None = None,
) -> Path:
    """Compare runs and write the page into a folder of `pages`. Returns the page's path.

    What was measured while the runs were trained for this page is read from its folder. `data` names their data set
    (default: the one that they recorded).
    """
    folders = [Path(run) for run in runs]
    folder = Path(pages) / name_of(folders)
    trained = _trained(folder, folders)
    if short is None and trained:
        short = {name: attempt(lambda name=name: _short(folder, name)) for name in _others(folders)}  # type: ignore[misc]
    where = None if data is None else os.fspath(data)
    comparison = compare(folders, data=where, unfinished=unfinished, short=short or UNTRAINED)
    page = write(comparison, folder, [_times(len(folders), trained, *time) for time in TIMES])
    for sentence in sentences(comparison):
        say(sentence)
    say(f"page       {page}")
    return page


def compare_all(root: Path, pages: Path) -> Path:
    """Write a table of all networks with runs under `root`. Returns the page's path."""
    found = overview(root, pages)
    page = write_overview(found, pages)
    for reason in found.left_out:
        say(f"left out   {reason}")
    say(f"page       {page}: {found}")
    return page


def _times(runs: int, trained: Sequence[Trained], name: str, title: str, absent: str) -> Figure:
    cells = [Cell(getattr(one, name), COMMANDS) for one in trained] or [Cell(None, reason=absent)] * runs
    return Figure(name, title, ",.1f", tuple(cells))
