"""What each run's `model.onnx` answers on the test images, and where the answers differ."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deploy.model import load_model
from deploy.scores import Scores
from parity.compare.selection import Side
from parity.compare.significance import Difference, difference
from trainspec.data import DataSet, Split
from trainspec.evaluation import evaluate
from trainspec.judging import Recorded, constants_of

MODEL = "model.onnx"


@dataclass(frozen=True, eq=False)
class Answers:
    """The test `split` and, for each run, the predicted class of every image and the scores.

    `others` is the name of the data if they are not the images that the runs recorded.
    """

    split: Split = field(repr=False)
    classes: tuple[str, ...]
    predictions: tuple[NDArray[np.int64], ...]
    scores: tuple[Scores, ...]
    others: str = ""

    @property
    def apart(self) -> NDArray[np.int64]:
        """The images on which not all runs give one answer."""
        first, *others = self.predictions
        return np.flatnonzero(np.any([first != other for other in others], axis=0))

    def difference(self, one: int, other: int) -> Difference:
        """The test of two of the runs, by their places."""
        a, b, labels = self.predictions[one], self.predictions[other], self.split.labels
        lost, won = int(((a == labels) & (b != labels)).sum()), int(((a != labels) & (b == labels)).sum())
        return difference(lost, won, int((a != b).sum()), len(labels))


def images_of(side: Side, asked: str | None = None) -> DataSet:
    """The data set of a run, or the one `asked` for, as `--data`. Raises `DataError` where it cannot be used."""
    recipe = side.run.recipe
    return Recorded.of(side.run).load(asked, recipe.data.form(side.graph.input_shape[1]))


def answers(sides: Sequence[Side], data: DataSet, *, unfinished: bool = False) -> Answers:
    """Run every `model.onnx` on the test split of `data`, in onnxruntime. Raises `ModelError` for a model."""
    found = []
    for side in sides:
        model = load_model(side.folder / MODEL, unfinished=unfinished)
        evaluation = evaluate(
            lambda images, model=model: model.logits(images.transpose(0, 3, 1, 2)),  # type: ignore[misc]
            data.test,
            constants_of(side.run, data),
            classes=data.classes,
        )
        found.append(evaluation)
    scores = tuple(one.scores for one in found if one.scores is not None)
    others = data.label if sides[0].facts.get("data_fingerprint", data.fingerprint) != data.fingerprint else ""
    return Answers(data.test, data.classes, tuple(one.predictions for one in found), scores, others)
