"""Which runs are compared: two or more of one data set, each with a letter."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diptych.errors import DataError
from netspec import Graph
from netspec.init import Weights
from parity.titles import title_of
from trainspec.judging import read_whole
from trainspec.runs import Run
from trainspec.sections import differences

MOST = 8  # runs on a page
LONGEST = 160  # of the name of a comparison
LETTERS = "ABCDEFGH"
FORM = ("data.image_size", "data.resize", "data.channels")  # the values of a recipe that change the test images


@dataclass(frozen=True, eq=False)
class Side:
    """One of the runs. `letter` stands for it on the page."""

    letter: str
    run: Run
    graph: Graph
    weights: Weights = field(repr=False)

    @property
    def read(self) -> tuple[Run, Graph, Weights]:
        """As `read_whole` gave it."""
        return self.run, self.graph, self.weights

    @property
    def folder(self) -> Path:
        return self.run.folder

    @property
    def facts(self) -> dict[str, Any]:
        return self.run.facts

    @property
    def framework(self) -> str:
        return title_of(self.facts["framework"])

    @property
    def title(self) -> str:
        """As `A PyTorch`."""
        return f"{self.letter} {self.framework}"


def read_sides(folders: Sequence[Path], *, unfinished: bool = False) -> tuple[Side, ...]:
    """Read the runs. Raises `DataError` for fewer than two, for one given twice, and for runs of different test images.

    Also raises for a run that is not finished, unless `unfinished`.
    """
    if not 2 <= len(folders) <= MOST:
        raise DataError(f"{len(folders)} runs: a page compares 2 to {MOST} of them")
    if twice := next((folder for place, folder in enumerate(folders) if _among(folder, folders[:place])), None):
        raise DataError(f"{twice} is given twice: name different runs")
    read = (read_whole(folder, unfinished=unfinished) for folder in folders)
    sides = tuple(Side(letter, *parts) for letter, parts in zip(LETTERS, read, strict=False))
    first = sides[0]
    for other in sides[1:]:
        if first.facts.get("classes") != other.facts.get("classes") or _images(first) != _images(other):
            changed = differences(first.run.recipe, other.run.recipe).items()
            forms = "; ".join(f"{key} {a} and {b}" for key, (a, b) in changed if key in FORM)
            raise DataError(
                f"{first.folder} was tested on {first.facts['data_label']} and {other.folder} on "
                f"{other.facts['data_label']}, which are different images{f' ({forms})' if forms else ''}: "
                "compare runs of one data set"
            )
    return sides


def _among(folder: Path, others: Sequence[Path]) -> bool:
    return any(os.path.realpath(folder) == os.path.realpath(other) for other in others)


def _images(side: Side) -> object:
    return side.facts.get("data_fingerprint", side.facts["data_label"])


def name_of(folders: Sequence[Path]) -> str:
    """The name of a comparison, which depends only on the names of the runs."""
    name = "+".join(Path(os.path.realpath(folder)).name for folder in folders)
    if len(name.encode()) <= LONGEST:
        return name
    return f"{name[: LONGEST // 4]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
