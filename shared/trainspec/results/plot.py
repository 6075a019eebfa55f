"""Draw accuracy against the size of a network and against the time of its training."""

import math
import warnings
from collections.abc import Sequence
from typing import BinaryIO

from deploy.shell import printable
from trainspec.results.rows import Row

MARKERS = "osD^v<>Pp*hX"  # one for each framework
NAMES = 25  # networks in a column of the legend


def draw_results(file: BinaryIO, rows: Sequence[Row], format: str = "png") -> None:
    """Write a picture of top-1 with its interval over MACs and over the seconds of training, as PNG or SVG."""
    from matplotlib import colormaps, rc_context  # here, because matplotlib is slow to import
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    networks, frameworks = (sorted({getattr(row, key) for row in rows}) for key in ("network", "framework"))
    palette, count = ("tab10", 10) if len(networks) <= 10 else ("turbo", len(networks))
    colours = {name: colormaps[palette]((number + 0.5) / count) for number, name in enumerate(networks)}
    markers = {name: MARKERS[number % len(MARKERS)] for number, name in enumerate(frameworks)}

    columns = math.ceil(len(networks) / NAMES)
    figure = Figure(figsize=(12 + 3 * columns, 5), dpi=120, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, name, label in zip(
        panels, ("macs", "train_seconds"), ("multiply-adds for one image", "seconds of training"), strict=True
    ):
        for row in rows:
            reach = [[max(0.0, row.top1 - row.low)], [max(0.0, row.high - row.top1)]]
            mark = {"marker": markers[row.framework], "color": colours[row.network], "alpha": 0.8}
            axes.errorbar([float(getattr(row, name))], [row.top1], reach, capsize=3, elinewidth=0.8, **mark)
        axes.set_xscale("log")
        axes.set_xlim(decades([float(getattr(row, name)) for row in rows]))
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("top-1 accuracy (%), with its 95 % interval")
    handles = [Line2D([], [], color="grey", marker=markers[name], linestyle="", label=name) for name in frameworks]
    panels[0].legend(handles=handles)
    # A legend, since names beside the points cover one another where networks are alike.
    handles = [Line2D([], [], color=colours[name], linewidth=6, label=printable(name)[:40]) for name in networks]
    legend = figure.legend(handles=handles, loc="outside right upper", ncols=columns, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)
    with warnings.catch_warnings(), rc_context({"svg.hashsalt": "diptych"}):  # so that its names are not random
        warnings.simplefilter("ignore")  # about letters that are missing in its font
        figure.savefig(file, format=format, metadata={"Date": None} if format == "svg" else None)


def decades(values: Sequence[float]) -> tuple[float, float]:
    """The powers of ten around positive values, with some room on both sides."""
    positive = [value for value in values if value > 0] or [1.0]
    return 10.0 ** math.floor(math.log10(0.9 * min(positive))), 10.0 ** math.ceil(math.log10(1.1 * max(positive)))
