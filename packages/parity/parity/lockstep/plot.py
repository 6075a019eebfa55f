"""A plot of the errors and of the drift over the steps."""

import math
from collections.abc import Mapping
from typing import Any, BinaryIO

from netspec.compare import limits
from parity.lockstep.record import Record
from parity.lockstep.stages import STAGES
from parity.titles import title_of


def draw_lockstep(file: BinaryIO, record: Record) -> None:
    """Write an SVG: the float64 differences, the errors as shares of what rounding explains, and the drift."""
    from matplotlib import rc_context  # here, because matplotlib is slow to import
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4.5), layout="constrained")
    exact, shares, drift = figure.subplots(1, 3)
    for stage in (*STAGES, "update by NumPy"):
        draw(exact, {one.step: one.differences.get(stage, 0.0) for one in record.judged}, stage)
    exact.axhline(limits().float64, color="black", linestyle="--", label="limit")
    exact.set_title("float64 steps from one state: relative difference")
    for name, style in (("torch", "-"), ("keras", ":")):
        for number, stage in enumerate(STAGES):
            found = {
                one.step: one.shares[name][stage][1].share for one in record.judged if stage in one.shares.get(name, {})
            }
            draw(shares, found, f"{title_of(name)}, {stage}", linestyle=style, color=f"C{number}")
    shares.axhline(1.0, color="black", linestyle="--", label="what rounding explains")
    shares.set_title(f"{record.task.recipe.precision} step: error over what rounding explains")
    for part in ("weights", "statistics"):
        draw(drift, {one.step: one.drift.get(part, 0.0) for one in record.judged}, part)
    drift.set_title("both trainings: relative difference")
    for axes in (exact, shares, drift):
        axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7)
    with rc_context({"svg.hashsalt": "diptych"}):  # so that its names are not random
        figure.savefig(file, format="svg", metadata={"Date": None})


def draw(axes: Any, values: Mapping[int, float], label: str, **style: Any) -> None:
    """A line over the steps; a value of 0 has no place on a scale of decades."""
    shown = {step: value for step, value in values.items() if value > 0 and math.isfinite(value)}
    if shown:
        axes.plot(list(shown), list(shown.values()), marker=".", markersize=3, linewidth=1, label=label, **style)
