"""Plots for a page, as SVG that takes its colours from the page."""

import io
import logging
import math
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from parity.compare.comparison import Absent, Comparison
from parity.compare.selection import Side
from trainspec.runs.metrics import EpochMetrics

INK, RULE = "#010203", "#040506"  # stand for the page's colours, which depend on light and dark
COLOURS = ("#2f7ed8", "#e0762b", "#2c9c69", "#b04fc4", "#c0392b", "#8a6d3b", "#d6459a", "#6b7a8f")
SIZE = (4.6, 3.5)  # inches


def plot(draw: Callable[[Any], None], name: str) -> str:
    """An SVG of what `draw(axes)` draws. `name` keeps its ids apart from those of other plots of the page."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns if there is no home folder for its cache
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings: Any = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    settings |= {"axes.edgecolor": INK, "grid.color": RULE, "svg.hashsalt": name, "svg.fonttype": "none"}
    file = io.StringIO()
    with warnings.catch_warnings(), rc_context(settings):
        warnings.simplefilter("ignore")  # about letters that are missing in its font
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        axes.grid(linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        if len(axes.get_legend_handles_labels()[0]) > 1:
            figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_page(file.getvalue(), name)


def _for_page(text: str, name: str) -> str:
    """Only the element `svg`, as wide as its place, with ids of its own and colours of the page."""
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#|url\(#', lambda found: f"{found[0]}{name}-", text)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 system-ui, Helvetica, Arial, sans-serif", text)
    return text.replace(INK, "var(--ink)").replace(RULE, "var(--rule)")


def curves(comparison: Comparison) -> list[tuple[str, str]]:
    """The plots of the epochs, each with its title: losses, accuracies, and what the others have less the first."""
    sides = [side for side in comparison.sides if side.run.metrics]
    if not sides:
        return []
    found = [
        ("Loss, nats", plot(lambda axes: _values(axes, sides, "loss"), "loss")),
        ("Top-1 accuracy, %", plot(lambda axes: _values(axes, sides, "top1"), "top1")),
    ]
    if len(sides) == len(comparison.sides):
        for key, title in (("loss", "Loss less that of A, nats"), ("top1", "Accuracy less that of A, points")):
            found.append((title, plot(lambda axes, key=key: _differences(axes, sides, key), f"{key}-less")))  # type: ignore[misc]
    return found


def drift(comparison: Comparison) -> str:
    """How far each tensor is from that of the first run, in the order of the network; also in the short trainings.

    Empty if there is nothing to draw: no weights can be compared, or all are equal.
    """
    found = [
        (f"{pair.b.title}, {pair.b.facts['precision']}, {pair.b.run.steps} steps", ".", pair.agreement.drift)
        for pair in comparison.pairs
        if not isinstance(pair.agreement, Absent)
    ]
    found += [
        (f"{precision}, {short.steps} steps", "x", short.agreement.drift)
        for precision, short in comparison.short.items()
        if not isinstance(short, Absent)
    ]
    apart = [value for _, _, values in found for value in values.values() if value]
    if not apart:
        return ""
    least, most = 10.0 ** math.floor(math.log10(min(apart))), 10.0 ** (math.floor(math.log10(max(apart))) + 1)
    lowest = min(value for _, _, values in found for value in values.values())

    def draw(axes: Any) -> None:
        for (title, marker, values), colour in zip(found, COLOURS[1:], strict=False):
            axes.plot(range(1, len(values) + 1), values.values(), marker, color=colour, label=title)
        axes.set_yscale("symlog", linthresh=least)  # a tensor may be equal, and log has no 0
        axes.set_ylim(least if lowest else -0.2 * least, most)  # powers of ten, which have a label
        axes.set_xlabel("tensor, in the order of the network")

    return plot(draw, "drift")


def _values(axes: Any, sides: Sequence[Side], key: str) -> None:
    for side, colour, width in zip(sides, COLOURS, _widths(len(sides)), strict=False):
        for part, style, words in (("train", "--", "training"), ("val", "-", "validation")):
            places, values = _series(side.run.metrics, f"{part}_{key}")
            marker = "o" if len(places) < 25 else ""
            axes.plot(
                places, values, style, color=colour, linewidth=width, marker=marker, markersize=3,
                label=f"{side.title}, {words}",
            )  # fmt: skip
    _epochs(axes)


def _widths(count: int) -> list[float]:
    """The first line is the widest, so that those above it do not hide it."""
    return [max(1.2, 3.2 - place) for place in range(count)]


def _differences(axes: Any, sides: Sequence[Side], key: str) -> None:
    first, *others = sides
    for side, colour in zip(others, COLOURS[1:], strict=False):
        for part, style, words in (("train", "--", "training"), ("val", "-", "validation")):
            base = dict(zip(*_series(first.run.metrics, f"{part}_{key}"), strict=True))
            places, values = _series(side.run.metrics, f"{part}_{key}")
            both = [(place, value - base[place]) for place, value in zip(places, values, strict=True) if place in base]
            axes.plot(
                [place for place, _ in both], [value for _, value in both], style, color=colour,
                marker="o" if len(both) < 25 else "", markersize=3, label=f"{side.title}, {words}",
            )  # fmt: skip
    axes.axhline(0, color=INK, linewidth=0.8)
    _epochs(axes)


def _series(metrics: Sequence[EpochMetrics], key: str) -> tuple[list[int], list[float]]:
    """The epochs in which a figure was measured, and its values."""
    found = [(epoch.epoch, getattr(epoch, key)) for epoch in metrics if getattr(epoch, key) is not None]
    return [place for place, _ in found], [value for _, value in found]


def _epochs(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.5), max(high, 1.5))
