"""The figures of each run, every one with the file that it comes from, or the reason why it is absent."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.intervals import of_accuracy
from parity.compare.selection import Side

Value = float | int | str | None
MIB = 2**20


@dataclass(frozen=True)
class Cell:
    """A value of one run. `source` is the path of its file, relative to the page; `reason` says why it is absent."""

    value: Value
    source: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Figure:
    """A row of the table: a cell for each run. `form` is the format of its numbers."""

    name: str
    title: str
    form: str
    cells: tuple[Cell, ...]

    def shown(self, cell: Cell) -> str:
        return cell.value if isinstance(cell.value, str) else format(cell.value, self.form)


@dataclass(frozen=True)
class Quantity:
    """Where a figure is: in which `file` of a run, and how it is read."""

    name: str
    title: str
    form: str
    file: str
    read: Callable[[Side], Value]
    absent: str = "the run has not recorded it"


def fact(key: str, over: float = 1) -> Callable[[Side], Value]:
    """A number in `run.json`, divided by `over`."""

    def read(side: Side) -> Value:
        value = side.facts.get(key)
        if not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return value if over == 1 else value / over

    return read


def bound(place: int) -> Callable[[Side], Value]:
    """An end of Wilson's 95 % interval of the accuracy, in percent."""

    def read(side: Side) -> Value:
        images, top1 = side.facts.get("test_images"), side.facts.get("test_top1")
        if not images or top1 is None:
            return None
        return of_accuracy(top1, images)[place]

    return read


CPU = "the run used no GPU"
QUANTITIES = (
    Quantity("parameters", "parameters, trainable", ",d", "graph.json", lambda side: side.graph.num_trainable),
    Quantity("total", "parameters with statistics", ",d", "graph.json", lambda side: side.graph.num_total),
    Quantity("macs", "multiply-adds for one image", ",d", "graph.json", lambda side: side.graph.macs),
    Quantity("epochs", "epochs", ".4g", "run.json", fact("epochs")),
    Quantity("steps", "steps", ",d", "run.json", fact("steps")),
    Quantity("test_images", "test images", ",d", "run.json", fact("test_images")),
    Quantity("test_top1", "top-1 accuracy, %", ".2f", "run.json", fact("test_top1")),
    Quantity("test_top1_low", "95 % interval from, %", ".2f", "run.json", bound(0)),
    Quantity("test_top1_high", "95 % interval to, %", ".2f", "run.json", bound(1)),
    Quantity("test_loss", "test loss, nats", ".4f", "run.json", fact("test_loss")),
    Quantity("images_per_second", "training, images/s", ",.1f", "run.json", fact("images_per_second")),
    Quantity("train_seconds", "training, s", ",.1f", "run.json", fact("train_seconds")),
    Quantity("peak_memory_mib", "memory, MiB", ",.0f", "run.json", fact("peak_memory", MIB)),
    Quantity("peak_device_memory_mib", "GPU memory, MiB", ",.0f", "run.json", fact("peak_device_memory", MIB), CPU),
    Quantity(
        "onnx_difference",
        "model.onnx beside its framework",
        ".1e",
        "run.json",
        lambda side: (side.facts.get("exports") or {}).get("model.onnx"),
    ),
)


def link(folder: Path, file: Path) -> str:
    """The path of `file` from a page in `folder`."""
    return Path(os.path.relpath(os.path.realpath(file), os.path.realpath(folder))).as_posix()


def figures(sides: Sequence[Side], folder: Path) -> Iterator[Figure]:
    """All figures that the files of the runs hold, for a page in `folder`."""
    for quantity in QUANTITIES:
        yield Figure(
            quantity.name, quantity.title, quantity.form, tuple(_cell(quantity, side, folder) for side in sides)
        )


def _cell(quantity: Quantity, side: Side, folder: Path) -> Cell:
    value: Any = quantity.read(side)
    if value is None:
        return Cell(None, reason=quantity.absent)
    return Cell(value, link(folder, side.folder / quantity.file))
