"""Draws pictures with matplotlib, which is an extra: without it there is a note in place of a picture."""

import logging
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from deploy.files import written_whole
from deploy.scores import Scores
from deploy.shell import printable
from deploy.timings import Timing

NAMED = 40  # with at most this many classes, their names are written at the axes
WRITTEN = 20  # and with at most this many the numbers of images


def draw_confusion(file: BinaryIO, name: str, scores: Scores) -> list[str]:
    """Draw the confusion matrix as PNG, each row in percent of its class. Returns the notes for the user on `name`.

    With a note, nothing is drawn.
    """
    if (figure_class := _figure_class()) is None:
        return [_missing(name)]
    counts = scores.confusion
    shares = 100 * counts / counts.sum(1, keepdims=True).clip(1)
    side = min(12.0, 4 + 0.3 * len(scores.classes))
    figure = figure_class(figsize=(side + 1, side), dpi=120, layout="constrained")
    axes = figure.subplots()
    figure.colorbar(axes.imshow(shares, cmap="Blues", vmin=0, vmax=100), label="% of the true class")
    low, high = scores.interval(scores.right)
    axes.set_title(f"top-1 {scores.top1:.2f} % ({low:.2f} to {high:.2f}) of {scores.images:,} images")
    axes.set_xlabel("answer")
    axes.set_ylabel("true class")
    if len(scores.classes) <= WRITTEN:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 50 else "black"
            axes.text(column, row, f"{count:,}" if count else "", ha="center", va="center", color=color)
    if len(scores.classes) <= NAMED:
        names = [printable(name)[:30] for name in scores.classes]
        axes.set_xticks(range(len(names)), names, rotation=90, parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
    _save(figure, file)
    return []


def draw_timings(path: Path, timings: Sequence[Timing]) -> list[str]:
    """Draw latency (median, up to the 95th percentile) and throughput over the batch size. Returns notes.

    Raises `StorageError`.
    """
    if (figure_class := _figure_class()) is None:
        return [_missing(path.name)]
    figure = figure_class(figsize=(12, 5), dpi=120, layout="constrained")
    latency, throughput = figure.subplots(1, 2)
    for key in dict.fromkeys((each.by, each.provider, each.threads) for each in timings):
        own = sorted(
            (each for each in timings if (each.by, each.provider, each.threads) == key), key=lambda each: each.batch
        )
        sizes, medians = [each.batch for each in own], [each.p50 for each in own]
        label = printable(f"{key[0]}, {key[1]}, {key[2]} thread{'s' * (key[2] != 1)}")
        above = [each.p95 - each.p50 for each in own]
        latency.errorbar(sizes, medians, [[0.0] * len(own), above], fmt="o-", capsize=3, label=label)
        throughput.plot(sizes, [each.images_per_second for each in own], "o-", label=label)
    for axes, name in ((latency, "milliseconds (median, up to the 95th percentile)"), (throughput, "images a second")):
        axes.set(xscale="log", yscale="log", xlabel="batch size", ylabel=name)
        every = sorted({each.batch for each in timings})
        axes.set_xticks(every, list(map(str, every)))
        axes.set_xticks([], minor=True)
        axes.set_yticks(*_round_numbers(*axes.get_ylim()))
        axes.set_yticks([], minor=True)
        axes.grid(alpha=0.3)
    latency.legend()
    with written_whole(path) as temporary:
        _save(figure, temporary)
    return []


def _round_numbers(low: float, high: float) -> tuple[list[float], list[str]]:
    """The numbers 1, 2 and 5 times a power of ten from `low` to `high`, or one in the middle, and how they look."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [number for number in numbers if low <= number <= high] or [math.sqrt(low * high)]
    return inside, [f"{float(f'{number:.3g}'):,.15g}" for number in inside]


def _figure_class() -> Any:
    """matplotlib's Figure, None if it is not installed."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns if there is no home folder for its cache
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    return Figure


def _missing(name: str) -> str:
    return f"{name} is not drawn: matplotlib is not installed; install diptych-deploy[plot]"


def _save(figure: Any, file: Path | BinaryIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about letters that are missing in its font
        figure.savefig(file)
