"""The rows of the table of results: each has the runs that differ in their seeds only."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from statistics import fmean
from typing import Any

from deploy.intervals import of_accuracy
from trainspec.results.intervals import over_runs
from trainspec.results.measured import Measured
from trainspec.results.published import published_for


@dataclass(frozen=True)
class Row:
    """Figures over `runs` (the names of their folders), with seeds of their own; all are means over the runs.
    `images_per_second` is that of all their images in all their time.

    Accuracies are in percent. `top1` is that of the average where the recipe averages weights, and `top1_unaveraged` is
    then that of the weights themselves. `framework` names both if the runs changed from one to the other. `low` and
    `high` are the 95 % interval of `top1`: over the runs (Student) or, for a single run, over its test images (Wilson);
    `interval` says which. `low_images` and `high_images` are that over the test images for any number of runs, which
    have the same images. Memory is in bytes, the largest of the runs, and None where no run recorded it. `group` is a
    hash of all that the runs have in common, also of what no column shows. `commands` and `started` are those of each
    run.
    """

    network: str
    data: str
    parameters: int
    total: int
    macs: int
    recipe: str
    changes: tuple[str, ...]
    framework: str
    precision: str
    batch: int
    epochs: float
    seeds: tuple[int, ...]
    train_seconds: float
    images_per_second: float
    peak_memory: int | None
    peak_device_memory: int | None
    test_images: int
    top1: float
    error: float
    low: float
    high: float
    interval: str
    low_images: float
    high_images: float
    top1_tta: float | None
    top1_unaveraged: float | None
    tta: str
    published: tuple[str, ...]
    device: str
    threads: int
    machine: dict[str, Any]
    versions: dict[str, str]
    group: str
    commands: tuple[str, ...]
    started: tuple[str, ...]
    runs: tuple[str, ...]

    def __str__(self) -> str:
        runs = f"{len(self.runs)} run{'s' * (len(self.runs) > 1)}"
        return (
            f"{self.network}, {self.data}, {' '.join((self.recipe, *self.changes))}, {self.framework}, "
            f"{self.precision}, {self.epochs:.4g} epochs, {runs}: "
            f"top-1 {self.top1:.2f} % ({self.low:.2f} to {self.high:.2f})"
        )


def rows_of(measured: Iterable[Measured]) -> list[Row]:
    """One row for each group of runs. Seeds in a row are distinct."""
    groups: dict[Any, list[Measured]] = {}
    for one in measured:
        groups.setdefault(one.key, []).append(one)
    return [_row(sorted(group, key=lambda one: one.run.recipe.seed)) for group in groups.values()]


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows ordered by network, data, recipe and framework."""
    return sorted(rows, key=lambda row: (row.network, row.data, row.recipe, row.changes, row.framework, row.precision))


def newest_by_seed(
    measured: Iterable[Measured], group: Callable[[Measured], Any] = lambda one: one.key
) -> tuple[list[Measured], list[str]]:
    """The newest run of each seed in each group, oldest first, and for each other run why it does not count."""
    ordered = sorted(measured, key=lambda one: (str(one.facts["started"]), one.run.folder.name))
    newest = {(group(one), one.run.recipe.seed): one for one in ordered}
    left_out = []
    for one in ordered:
        if (other := newest[group(one), one.run.recipe.seed]) is not one:
            images = {run.facts.get("train_fingerprint") for run in (one, other)} - {None}
            but = ", but other training images" if len(images) > 1 else ""
            newer = f"a newer run has the same seed and recipe{but}:"
            reason = "it is a copy of" if one.facts == other.facts else newer
            left_out.append(f"{one.run.folder}: {reason} {other.run.folder}")
    return [one for one in ordered if one in newest.values()], left_out


def _speed(group: Sequence[Measured]) -> float:
    """Images per second: those of all runs, in the time of all runs."""
    seconds = [float(one.facts["train_seconds"]) for one in group]
    images = [float(one.facts["images_per_second"]) * own for one, own in zip(group, seconds, strict=True)]
    return sum(images) / sum(seconds) if sum(seconds) else 0.0


def _row(group: Sequence[Measured]) -> Row:
    first, facts = group[0], group[0].facts
    top1 = [float(one.facts["test_top1"]) for one in group]
    images = facts["test_images"]
    over_images = of_accuracy(fmean(top1), images)
    low, high = over_runs(top1) if len(group) > 1 else over_images
    name = first.graph.name.partition("(")[0]
    return Row(
        network=first.graph.name,
        data=facts["data_label"],
        parameters=first.graph.num_trainable,
        total=first.graph.num_total,
        macs=first.graph.macs,
        recipe=first.recipe,
        changes=first.changes,
        framework=" then ".join(facts.get("frameworks", (facts["framework"],))),
        precision=facts["precision"],
        batch=facts.get("batch", first.run.recipe.batch),
        epochs=fmean(one.epochs for one in group),
        seeds=tuple(one.run.recipe.seed for one in group),
        train_seconds=fmean(one.facts["train_seconds"] for one in group),
        images_per_second=_speed(group),
        peak_memory=_largest(group, "peak_memory"),
        peak_device_memory=_largest(group, "peak_device_memory"),
        test_images=images,
        top1=fmean(top1),
        error=100 - fmean(top1),
        low=low,
        high=high,
        interval="runs" if len(group) > 1 else "images",
        low_images=over_images[0],
        high_images=over_images[1],
        top1_tta=_mean(group, "test_top1_tta"),
        top1_unaveraged=_mean(group, "test_top1_unaveraged"),
        tta=first.run.recipe.evaluation.tta,
        published=tuple(map(str, published_for(name, facts["recipe"], facts["data"], first.changes))),
        device=facts["device"],
        threads=facts["threads"],
        machine=facts["machine"],
        versions=facts["versions"],
        group=sha256(repr(first.key).encode()).hexdigest(),
        commands=tuple(one.command for one in group),
        started=tuple(one.facts["started"] for one in group),
        runs=tuple(one.run.folder.name for one in group),
    )


def _mean(group: Sequence[Measured], key: str) -> float | None:
    values = [one.facts[key] for one in group if key in one.facts]
    return fmean(values) if len(values) == len(group) else None


def _largest(group: Sequence[Measured], key: str) -> int | None:
    return max((one.facts[key] for one in group if key in one.facts), default=None)
