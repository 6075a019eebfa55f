"""The accuracy of each class, and which classes are taken for others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deploy.scores import ClassScore, Scores
from parity.compare.answers import Answers

MOST = 20  # classes in a table or a matrix; of more, those that matter most


@dataclass(frozen=True)
class ClassRow:
    """A class, with its score in each run."""

    name: str
    scores: tuple[ClassScore, ...]

    @property
    def spread(self) -> float:
        """By how much the recalls of the runs differ, in points."""
        found = [score.recall for score in self.scores if score.recall is not None]
        return max(found) - min(found) if found else 0.0


@dataclass(frozen=True)
class Confusion:
    """How often a run takes the images of each class (row) for each class (column). `shade` is 0 to 1.

    With many classes there is a list in place of the matrix: (truth, answer, images), the most frequent first.
    """

    matrix: tuple[tuple[tuple[int, float], ...], ...]
    listed: tuple[tuple[str, str, int], ...]


def per_class(answers: Answers) -> list[ClassRow]:
    """A row for each class; of many, for those in which the runs differ most."""
    scores = [one.per_class for one in answers.scores]
    rows = [ClassRow(name, tuple(one[place] for one in scores)) for place, name in enumerate(answers.classes)]
    return rows if len(rows) <= MOST else sorted(rows, key=lambda row: -row.spread)[:MOST]


def confusions(answers: Answers) -> list[Confusion]:
    """One for each run."""
    return [_confusion(one, answers.classes) for one in answers.scores]


def _confusion(scores: Scores, classes: Sequence[str]) -> Confusion:
    if len(classes) <= MOST:
        counts = scores.confusion
        shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
        rows = zip(counts.tolist(), shares.tolist(), strict=True)
        return Confusion(tuple(tuple(zip(count, share, strict=True)) for count, share in rows), ())
    return Confusion((), tuple((classes[a], classes[b], count) for a, b, count in scores.confused(MOST)))
