"""Read what was measured in a run. A run that cannot be counted is left out, with the reason."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diptych.errors import DataError, DiptychError
from netspec import Graph, find, list_architectures
from trainspec.judging import ENDS
from trainspec.recipes.find import read_recipe, shipped_recipes, with_data
from trainspec.results.commands import shown_command
from trainspec.runs import Run
from trainspec.runs.reading import FINISHED, read_graph
from trainspec.sections import differences, flat, to_table

NEEDED = (
    *("recipe", "command", "device", "precision", "started", "machine", "versions", "threads"),
    *("test_top1", "test_images", "images_per_second", "train_seconds", "epochs", "steps"),
)
# Values of a recipe that may differ within a group, or that another column shows.
GROUPED = ("seed", "precision", "data.name", "data.storage", "checkpoint.every")
SHOWN = (*GROUPED, "epochs")  # those that have a column or an interval, and are not listed as changes


@dataclass(frozen=True, eq=False)
class Measured:
    """A finished run. `changes`: the values that differ from the recipe's file, as `section.key=value`."""

    run: Run
    graph: Graph
    changes: tuple[str, ...] = field(default=())

    @property
    def facts(self) -> dict[str, Any]:
        return self.run.facts

    @property
    def epochs(self) -> float:
        """The length of the training in epochs; the last one may be a part of one."""
        return float(self.facts["epochs"])

    @property
    def recipe(self) -> str:
        """The name of the recipe, without the folder of a user's own file."""
        name: str = self.facts["recipe"]
        return name if name in shipped_recipes() else Path(name).name

    @property
    def command(self) -> str:
        """The command that made the run, as `shown_command` shows it."""
        return shown_command(self.facts["command"])

    @property
    def key(self) -> tuple[Any, ...]:
        """Runs with equal keys differ in their seeds only."""
        facts = self.facts
        length = ("budget", facts["budget_seconds"]) if "budget_seconds" in facts else ("steps", facts["steps"])
        return (
            self.graph.digest,
            *(facts.get(name) for name in ("data_fingerprint", "data_label", "framework", "precision", "recipe")),
            tuple(facts.get("frameworks", ())),
            facts.get("weights", {}).get("sha256"),
            *(facts[name] for name in ("device", "threads")),
            *(repr(sorted(facts[name].items())) for name in ("machine", "versions")),
            length,
            self.values,
            *((name, facts[name]) for name in ("train_images", "validation_images") if name in facts),  # newer runs
            *course(self.run),
        )

    @property
    def values(self) -> tuple[tuple[str, str], ...]:
        """The recipe's values that are equal within a group, in order."""
        recipe = flat(to_table(self.run.recipe))
        return tuple(sorted((name, repr(value)) for name, value in recipe.items() if name not in GROUPED))


def read_runs(places: Iterable[Path]) -> Iterator[tuple[Path, Measured | str]]:
    """Every run in `places`, which are runs or folders of runs: with its figures, or the reason why it does not count.

    Raises `DataError` for a place that has no run.
    """
    seen = set()
    for place in places:
        is_run = os.path.exists(place / "run.json")
        folders = [place] if is_run else sorted(file.parent for file in place.glob("*/run.json"))
        if not folders:
            raise DataError(f"{place}: neither a run nor a folder of runs; give the folder of a training")
        for folder in folders:
            if (real := os.path.realpath(folder)) in seen:  # given twice
                continue
            seen.add(real)
            try:
                yield folder, read_measured(folder)
            except DiptychError as error:
                yield folder, str(error)


def read_measured(folder: Path) -> Measured:
    """The figures of a finished run. Raises `DataError` or `GraphError` for one that is unfinished or incomplete."""
    run = Run.open(folder)
    if run.state != FINISHED:
        raise DataError(f"{folder} {ENDS.get(run.state, f'has the status {run.state!r};').partition(';')[0]}")
    run.check_recorded(NEEDED, "it may be of an older version")
    if not run.metrics:
        raise DataError(f"{folder}: metrics.jsonl has no epoch")
    return Measured(run, read_graph(folder), changes(run))


def changes(run: Run) -> tuple[str, ...]:
    """What a run has otherwise than the file of its recipe in the collection, as `key=value`.

    First how it was trained: first weights from a file, a budget, and its `course`. Then the values of its recipe. A
    recipe of its own has no such values.
    """
    start = Path(str(run.facts.get("weights", {}).get("file", "")))
    begun = (
        *((f"weights={start.parent.name if start.stem == 'weights' else start.name}",) if start.name else ()),
        *((f"budget={run.facts['budget_seconds']:g}s",) if "budget_seconds" in run.facts else ()),
        *course(run),
    )
    shipped = shipped_recipes().get(run.facts["recipe"])
    if shipped is None:
        return begun
    recipe, network = read_recipe(shipped), run.facts["architecture"].partition("(")[0]
    if recipe.data.image_size is None and network in list_architectures():
        recipe = with_data(recipe, image_size=find(network).input_shape[1])  # a training fills it in
    differing = sorted(differences(recipe, run.recipe).items())
    return (*begun, *(f"{name}={_shown(now)}" for name, (_, now) in differing if name not in SHOWN))


def course(run: Run) -> Iterator[str]:
    """What was not one training of the whole schedule on one machine, as `key=value`."""
    if run.facts.get("schedule_ended") is False:
        yield "schedule=cut"
    if any("machine" in part.get("changed", {}) and part.get("step") for part in run.facts.get("resumed", ())):
        yield "machine=changed"


def _shown(value: Any) -> str:
    return "off" if value is None else str(value).replace(" ", "")
