"""The figures of an epoch, and the text of the two files that store them."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class EpochMetrics:
    """Figures at the end of `epoch` (from 1), after `step` steps.

    Losses are in nats, `train_top1` and `val_top1` in percent. `lr` is that of the epoch's last step.
    `images_per_second` and `seconds` are of training without evaluation. `val_loss` and `val_top1` are None in an epoch
    that was not evaluated. If the recipe averages the weights, these are figures of the average; `..._unaveraged` are
    those of the weights themselves.
    """

    epoch: int
    step: int
    lr: float
    train_loss: float
    train_top1: float
    val_loss: float | None
    val_top1: float | None
    images_per_second: float
    seconds: float
    plan_digest: str
    val_loss_unaveraged: float | None = None
    val_top1_unaveraged: float | None = None


def to_figures(epoch: EpochMetrics) -> dict[str, float]:
    """The figures of an epoch that change over a training, under the names that every file has them."""
    measured = {key: value for key, value in asdict(epoch).items() if isinstance(value, int | float)}
    return {key: value for key, value in measured.items() if key != "step"}


def to_jsonl(metrics: Sequence[EpochMetrics]) -> str:
    """One line per epoch, each a JSON object."""
    return "".join(json.dumps(asdict(epoch)) + "\n" for epoch in metrics)


def to_csv(metrics: Sequence[EpochMetrics]) -> str:
    """A header, then one row per epoch. A value that was not measured is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(EpochMetrics)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(epoch) for epoch in metrics)
    return text.getvalue()
