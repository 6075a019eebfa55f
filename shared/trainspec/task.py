"""What a training command was asked to do, worked out before any framework is loaded."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec import Graph, architecture, find, initial_weights
from netspec.init import Weights
from netspec.weights import fit_weights, weights_hash
from trainspec.data import DataSet, find_data
from trainspec.data.images import RESIZE_RULE
from trainspec.plan import BatchPlan, EpochPlan, apply, draw_epoch, one_hot
from trainspec.recipes import Recipe, add_train_options, read_train_options, with_image_size


@dataclass(frozen=True, eq=False)
class Task:
    """A network, its first weights, what it is trained on and how. `data_choice` finds the data set again."""

    architecture: str
    graph: Graph
    weights: Weights = field(repr=False)
    data: DataSet = field(repr=False)
    data_choice: str
    recipe: Recipe
    budget: float | None = None
    out: Path = Path("runs")
    command: str = ""
    notes: tuple[str, ...] = ()

    @property
    def batch_size(self) -> int:
        return min(self.recipe.batch, len(self.data.train))

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches: batch norm has no use for a rest of one image, and every step counts alike."""
        return len(self.data.train) // self.batch_size

    @property
    def constants(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """`(mean, std)` per channel on the 0..1 scale."""
        return self.recipe.augmentation.constants(self.data)

    def plan(self, epoch: int) -> EpochPlan:
        """What is random about epoch `epoch`, from 0."""
        augmentation = self.recipe.augmentation
        samples = len(self.data.train)
        return draw_epoch(self.recipe.seed, epoch, samples, padding=augmentation.pad, flip=augmentation.flip)

    def batch(self, plan: BatchPlan) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Images float32 `(B, H, W, C)` and targets float64 `(B, classes)`, made by NumPy."""
        mean, std = self.constants
        images = apply(self.data.train.images, plan, padding=self.recipe.augmentation.pad, mean=mean, std=std)
        return images, self.targets(self.data.train.labels[plan.indices])

    def targets(self, labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Soft targets `(B, classes)` of labels `(B,)`."""
        return one_hot(labels, len(self.data.classes), self.recipe.regularisation.label_smoothing)

    def metadata(self, weights: Weights) -> dict[str, str]:
        """What an ONNX file of the network says about itself; lists are JSON."""
        mean, std = self.constants
        height, width = self.graph.input_shape[1:]
        return {
            "classes": json.dumps(self.data.classes, ensure_ascii=False),
            "mean": json.dumps(mean),
            "std": json.dumps(std),
            "image_size": f"{height}x{width}",
            "resize_rule": RESIZE_RULE,
            "architecture": self.graph.name,
            "graph_digest": self.graph.digest,
            "data": self.data.label,
            "weights_sha256": weights_hash(weights),
        }


def network_for(name: str, data: DataSet, recipe: Recipe) -> Graph:
    """The registered network for the classes and images of `data`, with what the recipe says of its options.

    Raises `UnknownNameError` for an option that it does not have.
    """
    dropout = recipe.regularisation.dropout
    options: dict[str, Any] = {} if dropout is None else {"dropout": dropout}
    options |= recipe.network
    height, width, channels = data.image_shape
    size = (height, width)
    return architecture(name, num_classes=len(data.classes), in_channels=channels, image_size=size, **options)


def add_task_options(parser: argparse.ArgumentParser) -> None:
    """Options of the training commands."""
    parser.add_argument("architecture", metavar="ARCH", help="an architecture's name, as the zoo lists it")
    add_train_options(parser)


def read_task(arguments: argparse.Namespace, program: str, argv: Sequence[str] | None = None) -> Task:
    """Find the data and the recipe, draw or read the first weights; what happens to the data is printed at once.

    Raises the `DiptychError` of whatever cannot be used, before anything is written.
    """
    notes: list[str] = []

    def notice(text: str) -> None:
        notes.append(text)
        print(f"*** {text} ***", flush=True)

    entry = find(arguments.architecture)
    options = read_train_options(arguments)
    found = find_data(options.data, notice=notice)
    recipe = options.recipe_for(arguments.architecture, entry.family, found.name)
    size = recipe.data.image_size or max(entry.input_shape[1:])
    recipe = with_image_size(recipe, size)
    print(f"data       {found.label}", flush=True)
    data = found.load(size, recipe.seed)
    graph = network_for(arguments.architecture, data, recipe)
    weights = initial_weights(graph, recipe.seed, recipe.init)
    if options.weights:
        weights = fit_weights(graph, options.weights, weights, notice)
    return Task(
        architecture=arguments.architecture,
        graph=graph,
        weights=weights,
        data=data,
        data_choice=options.data or found.name,
        recipe=recipe,
        budget=options.budget,
        out=options.out,
        command=shlex.join(["python", "-m", program, *(sys.argv[1:] if argv is None else argv)]),
        notes=(*notes, *data.notes),
    )
