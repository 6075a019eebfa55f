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
LARGEST_MATRIX = 2000  # classes: a confusion matrix of more is not made


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

    `labels` and `answers` are the numbers of the true and of the predicted class of each image, int64 `(N,)`. `in_top5`
    counts images with the true class among the five likeliest, `loss` is the mean cross-entropy in nats. Percentages
    are 0..100.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    answers: NDArray[np.int64]
    in_top5: int
    loss: float

    @property
    def images(self) -> int:
        return len(self.labels)

    @property
    def right(self) -> int:
        return int((self.labels == self.answers).sum())

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
        parts = self.labels, self.answers, self.labels[self.labels == self.answers]
        counts = [np.bincount(part, minlength=len(self.classes)).tolist() for part in parts]
        scores = []
        for name, own, answers, hits in zip(self.classes, *counts, strict=True):
            low, high = wilson(hits, own) if own else (None, None)
            shares = (
                _percent(part) for part in (hits / own if own else None, low, high, hits / answers if answers else None)
            )
            scores.append(ClassScore(name, own, *shares))
        return scores

    @property
    def has_matrix(self) -> bool:
        """Whether there are few enough classes for a confusion matrix."""
        return len(self.classes) <= LARGEST_MATRIX

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Images by true class (row) and answer (column), int64 `(classes, classes)`."""
        side = len(self.classes)
        return np.bincount(self.labels * side + self.answers, minlength=side * side).reshape(side, side)

    def confused(self, most: int) -> list[tuple[int, int, int]]:
        """`(true class, answer, images)` of the most frequent confusions."""
        wrong = self.labels != self.answers
        pairs, counts = np.unique(self.labels[wrong] * len(self.classes) + self.answers[wrong], return_counts=True)
        order = np.argsort(-counts, kind="stable")[:most]
        return [(*divmod(int(pairs[place]), len(self.classes)), int(counts[place])) for place in order]

    def fields(self) -> dict[str, Any]:
        """All figures for JSON. The confusion matrix is None where there are too many classes."""
        return {
            "images": self.images,
            "top1": self.top1,
            "top1_interval": list(self.interval(self.right)),
            "top5": self.top5,
            "top5_interval": list(self.interval(self.in_top5)),
            "loss": self.loss,
            "per_class": [vars(each) for each in self.per_class],
            "classes": list(self.classes),
            "confusion": self.confusion.tolist() if self.has_matrix else None,
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
        self.labels: list[NDArray[np.int64]] = []
        self.answers: list[NDArray[np.int64]] = []
        self.in_top5, self.loss = 0, 0.0

    def add(self, logits: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> None:
        """Count logits `(N, classes)` against the numbers of the true classes, int64 `(N,)`.

        Of equal logits the first class is the answer, and it is ahead of the others in the top 5.
        """
        values = np.asarray(logits, np.float64)
        places = np.arange(len(values))
        self.labels.append(np.asarray(labels, np.int64))
        self.answers.append(values.argmax(1))
        own = values[places, labels][:, None]
        ahead = (values > own) | ((values == own) & (np.arange(values.shape[1]) < labels[:, None]))
        self.in_top5 += int((ahead.sum(1) < TOP).sum())
        shifted = values - values.max(1, keepdims=True)
        self.loss += float((np.log(np.exp(shifted).sum(1)) - shifted[places, labels]).sum())

    @property
    def scores(self) -> Scores:
        none = np.empty(0, np.int64)  # np.concatenate takes no empty list
        labels, answers = np.concatenate([none, *self.labels]), np.concatenate([none, *self.answers])
        return Scores(self.classes, labels, answers, self.in_top5, self.loss / max(1, len(labels)))


def score(batches: Iterable[tuple[NDArray[np.floating[Any]], NDArray[np.int64]]], classes: Sequence[str]) -> Scores:
    """The scores of batches of logits `(N, classes)` and true classes `(N,)`."""
    tally = Tally(classes)
    for logits, labels in batches:
        tally.add(logits, labels)
    return tally.scores


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
