"""Draw accuracy against the size of a network and against the time of its training."""

import math
import warnings
from collections.abc import Sequence
from typing import BinaryIO

from deploy.shell import printable
from trainspec.results.rows import Row

MARKERS = "osD^v<>Pp*hX"  # one for each framework


def draw_results(file: BinaryIO, rows: Sequence[Row], format: str = "png") -> None:
    """Write a picture of top-1 with its interval over MACs and over the seconds of training, as PNG or SVG."""
    from matplotlib import rc_context  # here, because matplotlib is slow to import
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), dpi=120, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    frameworks = sorted({row.framework for row in rows})
    for axes, name, label in zip(
        panels, ("macs", "train_seconds"), ("multiply-adds for one image", "seconds of training"), strict=True
    ):
        for number, framework in enumerate(frameworks):
            own = [row for row in rows if row.framework == framework]
            places, top1 = [float(getattr(row, name)) for row in own], [row.top1 for row in own]
            reach = [[max(0.0, row.top1 - row.low) for row in own], [max(0.0, row.high - row.top1) for row in own]]
            axes.errorbar(
                places, top1, reach, fmt=MARKERS[number % len(MARKERS)], capsize=3, markersize=4, label=framework
            )
        highest = {(row.network, float(getattr(row, name))): row.top1 for row in sorted(rows, key=lambda row: row.top1)}
        for (network, at), best in highest.items():  # once, where a network has several rows at one place
            text, style = printable(network)[:40], {"fontsize": 7, "parse_math": False}
            axes.annotate(text, (at, best), xytext=(5, 4), textcoords="offset points", **style)
        axes.set_xscale("log")
        axes.set_xlim(decades([float(getattr(row, name)) for row in rows]))
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("top-1 accuracy (%), with its 95 % interval")
    panels[0].legend()
    with warnings.catch_warnings(), rc_context({"svg.hashsalt": "diptych"}):  # so that its names are not random
        warnings.simplefilter("ignore")  # about letters that are missing in its font
        figure.savefig(file, format=format, metadata={"Date": None} if format == "svg" else None)


def decades(values: Sequence[float]) -> tuple[float, float]:
    """The powers of ten around positive values, with some room on the right for a name."""
    positive = [value for value in values if value > 0] or [1.0]
    return 10.0 ** math.floor(math.log10(min(positive))), 10.0 ** math.ceil(math.log10(1.8 * max(positive)))
