"""A table of many networks: a row for each network and data set, with a run of each framework.

`CHOICE` says which. All figures come from the files of the runs; nothing is evaluated again.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from deploy.files import write_together
from deploy.intervals import LEVEL, of_accuracy
from diptych.errors import DataError
from parity import pages
from parity.compare.figures import link
from parity.json_text import json_text
from parity.titles import title_of
from trainspec.agreement import compare_losses, compare_plans
from trainspec.results.measured import Measured, read_runs
from trainspec.results.rows import newest_by_seed

SCHEMA = 1
PAGE, TABLE = "index.html", "index.json"
CHOICE = "the newest runs of one seed that all frameworks have; without such a seed, the newest run of each"


@dataclass(frozen=True)
class Cell:
    """The figures of one run. Accuracies are in percent, `low` and `high` the 95 % interval over the test images.

    `source` is the path of the run's `run.json` from the page.
    """

    framework: str
    run: str
    top1: float
    low: float
    high: float
    images_per_second: float
    train_seconds: float
    source: str


@dataclass(frozen=True)
class Row:
    """A network on a data set. `cells` are by framework, and None without a run.

    `difference` is the highest accuracy less the lowest one, in points. `loss_difference` is the largest of the first
    losses of any run from the first run. `page` is the path of the page that compares them, empty if there is none.
    """

    network: str
    data: str
    recipe: str
    precision: str
    epochs: float
    parameters: int
    macs: int
    cells: dict[str, Cell] = field(default_factory=dict)
    difference: float | None = None
    equal_plans: int | None = None
    plans: int | None = None
    loss_difference: float | None = None
    page: str = ""


@dataclass(frozen=True)
class Overview:
    """`frameworks` are the columns, and `left_out` says which runs do not count, and why."""

    frameworks: tuple[str, ...]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        networks, runs = len({row.network for row in self.rows}), sum(len(row.cells) for row in self.rows)
        more = f"; {len(self.left_out)} left out" if self.left_out else ""
        parts = [f"{networks} network", f"{len(self.rows)} row", f"{runs} run"]
        one, two, three = (part + "s" * (not part.startswith("1 ")) for part in parts)
        return f"{one} in {two}, {three}{more}"


def overview(root: Path, folder: Path) -> Overview:
    """All runs under `root`, for a page in `folder`. Raises `DataError` if there is no finished run."""
    places = sorted(Path(place) for place, _, files in os.walk(root, onerror=_refuse) if "run.json" in files)
    if not places:
        raise DataError(f"{root}: no run found; give a folder that has runs in it")
    found = list(read_runs(places))
    measured = [one for _, one in found if isinstance(one, Measured)]
    left_out = tuple(one for _, one in found if isinstance(one, str))
    if not measured:
        raise DataError(f"{root}: no finished run can be used ({left_out[0]})")
    counted, older = newest_by_seed(measured, lambda one: (_key(one), one.facts["framework"]))
    left_out += tuple(older)
    groups: dict[Any, list[Measured]] = {}
    for one in counted:
        groups.setdefault(_key(one), []).append(one)
    names = sorted({one.facts["framework"] for one in counted}, reverse=True)  # torch, keras, as elsewhere
    rows, known = [], _pages(folder)
    for group in groups.values():
        chosen = _of_one_seed(group)
        rows.append(_row([chosen[name] for name in names if name in chosen], folder, known))
        others = [one for one in group if one not in chosen.values()]
        left_out += tuple(_beside(one, chosen[one.facts["framework"]], group) for one in others)
    rows.sort(key=lambda row: (row.network, row.data, row.recipe))
    return Overview(tuple(map(title_of, names)), tuple(rows), left_out)


def _of_one_seed(group: Sequence[Measured]) -> dict[str, Measured]:
    """A run of each framework in `group`, which is oldest first: `CHOICE`."""
    seeds: dict[str, set[int]] = {}
    for one in group:
        seeds.setdefault(one.facts["framework"], set()).add(one.run.recipe.seed)
    shared = set.intersection(*seeds.values())
    seed = next((one.run.recipe.seed for one in reversed(group) if one.run.recipe.seed in shared), None)
    return {one.facts["framework"]: one for one in group if seed in (None, one.run.recipe.seed)}


def _beside(one: Measured, chosen: Measured, group: Sequence[Measured]) -> str:
    """Why `chosen`, of the same framework, is in the row and `one` is not."""
    newer = group.index(chosen) > group.index(one)
    reason = "is a newer run of the same recipe" if newer else "has a seed that all frameworks have"
    return f"{one.run.folder}: {chosen.run.folder} {reason}"


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be read: {error.strerror}") from None


def _key(one: Measured) -> Any:
    """Equal for runs that belong side by side: of one network, on the same images, by one recipe for as long."""
    facts = one.facts
    images = facts.get("data_fingerprint", facts["data_label"])
    return one.graph.name, one.graph.digest, images, _recipe(one), one.values, facts["precision"], one.epochs


def _recipe(one: Measured) -> str:
    return " ".join((one.recipe, *one.changes))


def _pages(folder: Path) -> dict[frozenset[str], Path]:
    """The pages in `folder` by the runs that each compares, in any order; of the same runs the newest page."""
    found = {}
    for file in sorted(folder.glob(f"*/{TABLE}"), key=os.path.getmtime):
        try:
            runs = [os.path.realpath(file.parent / run["folder"]) for run in json.loads(file.read_bytes())["runs"]]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            continue  # another file of this name
        if (page := file.with_name(PAGE)).is_file():
            found[frozenset(runs)] = page
    return found


def _row(runs: Sequence[Measured], folder: Path, known: Mapping[frozenset[str], Path]) -> Row:
    first, *others = runs
    cells = {title_of(one.facts["framework"]): _cell(one, folder) for one in runs}
    row = Row(
        first.graph.name,
        first.facts["data_label"],
        _recipe(first),
        first.facts["precision"],
        first.epochs,
        first.graph.num_trainable,
        first.graph.macs,
        cells,
    )
    if not others:
        return row
    top1 = [one.facts["test_top1"] for one in runs]
    plans = [compare_plans(first.facts, one.facts) for one in others]
    losses = [compare_losses(first.facts, one.facts)[1] for one in others]
    page = known.get(frozenset(os.path.realpath(one.run.folder) for one in runs))
    return replace(
        row,
        difference=float(np.ptp(top1)),
        equal_plans=sum(equal for equal, _ in plans),
        plans=sum(count for _, count in plans),
        loss_difference=max((loss for loss in losses if loss is not None), default=None),
        page=link(folder, page) if page else "",
    )


def _cell(one: Measured, folder: Path) -> Cell:
    facts = one.facts
    return Cell(
        title_of(facts["framework"]),
        one.run.folder.name,
        facts["test_top1"],
        *of_accuracy(facts["test_top1"], facts["test_images"]),
        facts["images_per_second"],
        facts["train_seconds"],
        link(folder, one.run.folder / "run.json"),
    )


def write_overview(found: Overview, folder: Path) -> Path:
    """Write the page and its figures as JSON into `folder`. Returns the page's path. Raises `StorageError`."""
    table = {"schema": SCHEMA, "level": round(100 * LEVEL), **asdict(found)}
    text = json_text(table, ascii_only=False) + "\n"
    page = pages.render("compare_all.html", found=found, choice=CHOICE)
    write_together(folder, {TABLE: text.encode("utf-8", "replace"), PAGE: page.encode()})
    return folder / PAGE
