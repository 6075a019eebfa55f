"""Draw the curves of a run."""

import logging
import warnings
from collections.abc import Sequence
from typing import BinaryIO

from trainspec.runs.metrics import EpochMetrics

FORMATS = ("png", "svg")


def draw_curves(file: BinaryIO, title: str, metrics: Sequence[EpochMetrics], format: str = "png") -> None:
    """Write a picture of loss, top-1 accuracy and learning rate over the epochs, in one of `FORMATS`."""
    # Imported here, because matplotlib is slow to import and only this needs it. pyplot would look for a screen.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns if there is no home folder for its cache
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(12, 3.8), dpi=120, layout="constrained")
    figure.suptitle(title, parse_math=False)
    loss, accuracy, rate = figure.subplots(1, 3)
    epochs = [epoch.epoch for epoch in metrics]
    evaluated = [epoch for epoch in metrics if epoch.val_top1 is not None]
    evaluated_epochs = [epoch.epoch for epoch in evaluated]
    marker = "o" if len(epochs) < 25 else None

    loss.plot(epochs, [epoch.train_loss for epoch in metrics], marker=marker, markersize=3, label="training")
    loss.plot(
        evaluated_epochs, [epoch.val_loss for epoch in evaluated], marker=marker, markersize=3, label="validation"
    )
    loss.set_ylabel("cross-entropy loss (nats)")
    accuracy.plot(epochs, [epoch.train_top1 for epoch in metrics], marker=marker, markersize=3, label="training")
    accuracy.plot(
        evaluated_epochs, [epoch.val_top1 for epoch in evaluated], marker=marker, markersize=3, label="validation"
    )
    accuracy.set_ylabel("top-1 accuracy (%)")
    rate.plot(epochs, [epoch.lr for epoch in metrics], marker=marker, markersize=3, color="tab:green")
    rate.set_ylabel("learning rate at the end of the epoch")
    for axes in (loss, accuracy, rate):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)  # gives whole ticks even for a single epoch
        axes.grid(alpha=0.3)
    for axes in (loss, accuracy):
        axes.legend()
    with warnings.catch_warnings(), rc_context({"svg.hashsalt": "diptych"}):  # so that its names are not random
        warnings.simplefilter("ignore")  # about letters that are missing in its font
        figure.savefig(file, format=format, metadata={"Date": None} if format == "svg" else None)
