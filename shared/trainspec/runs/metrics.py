"""The figures of an epoch, and the two files that keep them."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class EpochMetrics:
    """Figures at the end of `epoch` (from 1), after `step` steps.

    Losses in nats; `train_top1` and `val_top1` in percent; `lr` of the epoch's last step; `images_per_second` and
    `seconds` of training alone, evaluation left out. Validation is None where the epoch was not evaluated.
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


def to_jsonl(metrics: Sequence[EpochMetrics]) -> str:
    """One JSON object a line, an epoch each."""
    return "".join(json.dumps(asdict(epoch)) + "\n" for epoch in metrics)


def to_csv(metrics: Sequence[EpochMetrics]) -> str:
    """A header and a row an epoch; what was not measured is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(EpochMetrics)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(epoch) for epoch in metrics)
    return text.getvalue()
