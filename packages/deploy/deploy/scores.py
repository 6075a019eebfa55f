"""How right a classifier is over labelled images: top-1, top-5, each class, and the confusion matrix. NumPy only."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.intervals import wilson

TOP = 5


@dataclass(frozen=True)
class ClassScore:
    """One class: its images, and how many percent of them (recall) and of the answers that name it are right.

    A share of nothing is None. `low` and `high` are Wilson's 95 % interval of the recall.
    """

    name: str
    images: int
    recall: float | None
    low: float | None
    high: float | None
    precision: float | None


@dataclass(frozen=True, eq=False)
class Scores:
    """The figures over labelled images.

    `confusion` is int64 `(classes, classes)`: images by true class (row) and answer (column). `in_top5` counts images
    with the true class among the five likeliest, `loss` is the mean cross-entropy in nats. Percentages are 0..100.
    """

    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    in_top5: int
    loss: float

    @property
    def images(self) -> int:
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        return int(np.trace(self.confusion))

    @property
    def top1(self) -> float:
        return 100 * self.right / self.images

    @property
    def top5(self) -> float:
        return 100 * self.in_top5 / self.images

    def interval(self, right: int) -> tuple[float, float]:
        """Wilson's 95 % interval in percent, of `right` images among all."""
        low, high = wilson(right, self.images)
        return 100 * low, 100 * high

    @property
    def per_class(self) -> list[ClassScore]:
        """The score of each class of the model, also of those without an image."""
        rows, columns, right = self.confusion.sum(1), self.confusion.sum(0), np.diag(self.confusion)
        scores = []
        for name, own, answers, hits in zip(
            self.classes, *(part.tolist() for part in (rows, columns, right)), strict=True
        ):
            low, high = wilson(hits, own) if own else (None, None)
            shares = (
                _percent(part) for part in (hits / own if own else None, low, high, hits / answers if answers else None)
            )
            scores.append(ClassScore(name, own, *shares))
        return scores

    def fields(self) -> dict[str, Any]:
        """All figures for JSON."""
        return {
            "images": self.images,
            "top1": self.top1,
            "top1_interval": list(self.interval(self.right)),
            "top5": self.top5,
            "top5_interval": list(self.interval(self.in_top5)),
            "loss": self.loss,
            "per_class": [vars(each) for each in self.per_class],
            "classes": list(self.classes),
            "confusion": self.confusion.tolist(),
        }

    def confusion_csv(self) -> str:
        """The confusion matrix as CSV: a row for each true class, a column for each answer."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["true \\ answer", *self.classes])
        writer.writerows([name, *row] for name, row in zip(self.classes, self.confusion.tolist(), strict=True))
        return file.getvalue()


class Tally:
    """Counts batches of answers; `scores` has their figures."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.confusion = np.zeros((len(classes), len(classes)), np.int64)
        self.in_top5, self.loss = 0, 0.0

    def add(self, logits: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> None:
        """Count logits `(N, classes)` against the numbers of the true classes, int64 `(N,)`.

        Of equal logits the first class is the answer, and it is ahead of the others in the top 5.
        """
        values = np.asarray(logits, np.float64)
        places = np.arange(len(values))
        np.add.at(self.confusion, (labels, values.argmax(1)), 1)
        own = values[places, labels][:, None]
        ahead = (values > own) | ((values == own) & (np.arange(values.shape[1]) < labels[:, None]))
        self.in_top5 += int((ahead.sum(1) < TOP).sum())
        shifted = values - values.max(1, keepdims=True)
        self.loss += float((np.log(np.exp(shifted).sum(1)) - shifted[places, labels]).sum())

    @property
    def scores(self) -> Scores:
        images = max(1, int(self.confusion.sum()))
        return Scores(self.classes, self.confusion, self.in_top5, self.loss / images)


def score(batches: Iterable[tuple[NDArray[np.floating[Any]], NDArray[np.int64]]], classes: Sequence[str]) -> Scores:
    """The scores of batches of logits `(N, classes)` and true classes `(N,)`."""
    tally = Tally(classes)
    for logits, labels in batches:
        tally.add(logits, labels)
    return tally.scores


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
