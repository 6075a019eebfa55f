"""Draws pictures with matplotlib, which is an extra: without it there is a note in place of a picture."""

import logging
import warnings
from pathlib import Path

from deploy.scores import Scores
from deploy.shell import printable

NAMED = 40  # classes whose names are written at the axes


def save_confusion(path: Path, scores: Scores) -> list[str]:
    """Draw the confusion matrix, each row in percent of its class. Returns the notes for the user. Raises `OSError`."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns if there is no home folder for its cache
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return [f"{path.name} is not drawn: matplotlib is not installed; install diptych-deploy[plot]"]
    counts = scores.confusion
    shares = 100 * counts / counts.sum(1, keepdims=True).clip(1)
    side = min(12.0, 4 + 0.3 * len(scores.classes))
    figure = Figure(figsize=(side + 1, side), dpi=120, layout="constrained")
    axes = figure.subplots()
    figure.colorbar(axes.imshow(shares, cmap="Blues", vmin=0, vmax=100), label="% of the true class")
    low, high = scores.interval(scores.right)
    axes.set_title(f"top-1 {scores.top1:.2f} % ({low:.2f} to {high:.2f}) of {scores.images:,} images")
    axes.set_xlabel("answer")
    axes.set_ylabel("true class")
    if len(scores.classes) <= NAMED:
        names = [printable(name)[:30] for name in scores.classes]
        axes.set_xticks(range(len(names)), names, rotation=90, parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about letters that are missing in its font
        figure.savefig(path)
    return []
