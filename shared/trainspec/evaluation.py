"""Evaluate a network: its predictions on a split, independent of the framework."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.commands import option
from deploy.options import name_or_path, path
from deploy.outputs import output_file
from deploy.scores import Scores, Tally
from deploy.shell import say
from deploy.views import VIEWS, mean_logits
from diptych.errors import DataError
from diptych.stopping import until_stopped
from netspec import Graph
from netspec.init import Weights
from trainspec.data import Split
from trainspec.data.dataset import Constants
from trainspec.judging import Recorded, constants_of, read_whole
from trainspec.plan import ahead, normalise
from trainspec.runs import Run
from trainspec.trainer import Framework

Forward = Callable[[NDArray[np.float32]], NDArray[np.floating[Any]]]  # (N, H, W, C) to logits (N, classes)
BATCH = 250


@dataclass(frozen=True, eq=False)
class Evaluation:
    """`predictions` int64 `(N,)`; `top1` in percent; `loss` the mean cross-entropy in nats; `tta` as in `VIEWS`.

    `scores` has all figures of `deploy.scores`, with the names of the classes where they are known. `others` is the
    start of the images' fingerprint if they are not those that the model recorded.
    """

    predictions: NDArray[np.int64]
    top1: float
    loss: float
    scores: Scores
    tta: str = "none"
    others: str = ""

    def __str__(self) -> str:
        views = "" if self.tta == "none" else f", {self.tta} views"
        return f"top-1 {self.top1:.2f} % of {len(self.predictions):,} images, loss {self.loss:.4f}{views}"


def evaluate(
    forward: Forward, split: Split, constants: Constants, tta: str = "none", classes: Sequence[str] = ()
) -> Evaluation:
    """Run all images of `split`, normalised by `constants`, through `forward`. Raises `DataError` if it is empty.

    `tta` is a kind of test-time augmentation (`deploy.views`): the logits of its views are averaged.
    `classes` are the names for its `scores`; without them the classes are numbered.
    """
    if not len(split):
        raise DataError("a split without images cannot be evaluated")
    parts = [np.arange(start, min(start + BATCH, len(split))) for start in range(0, len(split), BATCH)]
    images = ahead(normalise(split.read(part), *constants) for part in parts)
    tally: Tally | None = None
    for part, batch in zip(parts, until_stopped(images), strict=True):
        logits = mean_logits(forward, batch, tta)
        tally = tally or Tally(classes or [str(number) for number in range(logits.shape[1])])
        tally.add(logits, split.labels[part])
    assert tally
    scores = tally.scores
    return Evaluation(scores.answers, scores.top1, scores.loss, scores, tta)


@dataclass(frozen=True, eq=False)
class Judged:
    """A run ready to be evaluated: its network, and the images to evaluate it on. No framework is loaded yet.

    `others` as in `Evaluation`.
    """

    run: Run
    graph: Graph
    weights: Weights
    split: Split
    constants: Constants
    others: str = ""


EVALUATE_OPTIONS = (  # of the three evaluation commands
    option(
        "--data",
        type=name_or_path,
        metavar="D",
        help="a data set, as for training; default: the one that the run or the file names",
    ),
    option("--predictions", type=output_file, metavar="FILE", help="the .npy file for the predicted classes"),
    option("--tta", choices=tuple(VIEWS), default="none", help="test-time augmentation: mean logits of several views"),
    option("--unfinished", action="store_true", help="also take a run that did not reach its end"),
    option(
        "--against",
        type=path,
        metavar="FILE",
        help="predictions of another evaluation; prints on how many images both agree",
    ),
)
RUN_OPTIONS = (option("run", type=path, metavar="RUN", help="the folder of a run"), *EVALUATE_OPTIONS)


def judge(folder: Path, data: str | None = None, *, unfinished: bool = False) -> Judged:
    """Read the run in `folder` and its test images. Raises a `DiptychError` where either cannot be used."""
    run, graph, weights = read_whole(folder, unfinished=unfinished)
    recorded = Recorded.of(run)
    found = recorded.load(data, run.recipe.data.form(graph.input_shape[1]))
    outputs = graph.shapes[graph.outputs[0]]
    if outputs != (len(found.classes),) or graph.input_shape[0] != found.image_shape[2]:
        raise DataError(
            f"{folder}: {graph.name} takes {graph.input_shape[0]} channels and has {outputs[0]} classes, "
            f"but {found.label} has {found.image_shape[2]} and {len(found.classes)}; give --data D"
        )
    constants, others = constants_of(run, found), recorded.others(found, data)
    comparable = others or found.storage == run.recipe.data.storage  # in files, only some images are measured
    if comparable and constants != run.recipe.augmentation.constants(found):
        say(f"note       normalised as {folder} recorded; the training images of {found.label} have other values")
    return Judged(run, graph, weights, found.test, constants, others)


def evaluate_run(judged: Judged, framework: Framework, tta: str = "none") -> Evaluation:
    """Evaluate the weights of a run, in float32 in `framework`, on its test images. `tta` as in `evaluate`."""
    deployed = framework.deploy(judged.graph, judged.weights, None)
    return replace(evaluate(deployed.logits, judged.split, judged.constants, tta), others=judged.others)
