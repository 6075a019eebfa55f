"""How good a network is: its predictions over a split, in no framework's terms."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.shell import say
from netspec import Graph, from_json, load_weights
from netspec.errors import DataError
from netspec.files import replacing
from netspec.init import Weights
from netspec.options import path
from netspec.stopping import until_stopped
from trainspec.data import Split, find_data
from trainspec.plan import ahead, normalise
from trainspec.runs import Run

Forward = Callable[[NDArray[np.float32]], NDArray[np.floating[Any]]]  # (N, H, W, C) to logits (N, classes)
Constants = tuple[tuple[float, ...], tuple[float, ...]]  # mean and std per channel
BATCH = 250


@dataclass(frozen=True, eq=False)
class Evaluation:
    """`predictions` int64 `(N,)`; `top1` in percent; `loss` the mean cross-entropy in nats."""

    predictions: NDArray[np.int64]
    top1: float
    loss: float

    def __str__(self) -> str:
        return f"top-1 {self.top1:.2f} % of {len(self.predictions):,} images, loss {self.loss:.4f}"


def evaluate(forward: Forward, split: Split, constants: Constants) -> Evaluation:
    """Run every image of `split`, normalised by `constants`, through `forward`. Raises `DataError` if it is empty."""
    if not len(split):
        raise DataError("a split without images cannot be evaluated")
    starts = range(0, len(split), BATCH)
    images = ahead(normalise(split.images[start : start + BATCH], *constants) for start in starts)
    logits = np.concatenate([np.asarray(forward(batch), np.float64) for batch in until_stopped(images)])
    predictions = logits.argmax(1)
    shifted = logits - logits.max(1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(split)), split.labels]
    return Evaluation(predictions, 100 * float((predictions == split.labels).mean()), float(losses.mean()))


def add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    """Options of the three evaluation commands."""
    parser.add_argument("--predictions", type=path, metavar="FILE", help="where the predicted classes go, as .npy")
    parser.add_argument("--against", type=path, metavar="FILE", help="predictions of another, to say how many agree")


def report(evaluation: Evaluation, arguments: argparse.Namespace, default: Path) -> None:
    """Print an evaluation, keep its predictions, and compare them with those of `--against`."""
    other = None if arguments.against is None else read_predictions(arguments.against)
    say(evaluation)
    save_predictions(evaluation, arguments.predictions or default)
    if other is not None:
        say(f"agrees with {arguments.against} on {agreement(evaluation.predictions, other):.3f} % of the images")


def agreement(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Percent of images on which two have the same prediction. Raises `DataError` when they are of other images."""
    if one.shape != other.shape:
        raise DataError(f"{len(one)} predictions cannot be compared with {len(other)}: they are of different images")
    return 100 * float((one == other).mean())


def save_predictions(evaluation: Evaluation, path: Path) -> None:
    """Write the predictions as .npy, whole or not at all."""
    with replacing(path) as file:
        np.save(file, evaluation.predictions)


def read_predictions(path: Path) -> NDArray[np.int64]:
    """What `save_predictions` wrote. Raises `DataError`."""
    try:
        predictions: NDArray[np.int64] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a file of predictions ({error})") from error
    return predictions


def read_run(folder: Path) -> tuple[Run, Graph, Weights]:
    """A run's network and trained weights. Raises `DataError` or `WeightsError` where they are missing or damaged."""
    run = Run.open(folder)
    try:
        graph = from_json((folder / "graph.json").read_bytes(), str(folder / "graph.json"))
    except OSError as error:
        raise DataError(f"{folder}: graph.json cannot be read ({error.strerror})") from error
    return run, graph, load_weights(graph, folder / "weights.safetensors")


def test_split_of(run: Run, graph: Graph) -> tuple[Split, Constants]:
    """The images that a run's network is judged on, found again by what its user typed."""
    found = find_data(run.facts["data_choice"], notice=say)
    data = found.load(graph.input_shape[1], run.recipe.seed)
    return data.test, run.recipe.augmentation.constants(data)
