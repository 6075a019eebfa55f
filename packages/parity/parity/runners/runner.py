"""The interface of every way to run a network.

All runners take canonical arrays by input name: images `(N, C, H, W)` and draws. They return canonical arrays: logits,
every node's value, gradients by parameter name.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from netspec.init import Weights
from netspec.layout import to_channels_last
from netspec.ops import Param
from parity.memory import give_back
from parity.spool import Spool
from trainspec.optim import settings, step_settings
from trainspec.plan import Batch
from trainspec.recipes import SGD, Recipe
from trainspec.schedules import Constant, Place
from trainspec.trainer import Trainer

Feeds = Mapping[str, np.ndarray]  # by input name, `image` first

# Nesterov's direction needs one more copy of the largest tensor. `test_optimizers` compares it on small networks.
RECIPE = Recipe(optimizer=SGD(momentum=0.9, nesterov=False, weight_decay=5e-4), schedule=Constant(0.1))
PRECISIONS = {"float32": "fp32", "float64": "fp64"}


@dataclass(frozen=True)
class TrainingStep:
    """The results of a step in training mode: the gradients of trainables, and then the statistics and all tensors.

    Some rows of each tensor after the step are enough (`rows`), since an optimizer treats all values of a tensor alike.
    """

    gradients: Mapping[str, np.ndarray]
    statistics: Mapping[str, np.ndarray]
    step: Mapping[str, np.ndarray]


class Runner(Protocol):
    """A framework with a network in it."""

    name: str

    def num_params(self) -> tuple[int, int]:
        """Trainable and total, counted on the framework's own objects."""

    def weights(self) -> Weights:
        """Every tensor by canonical name."""

    def forward(self, feeds: Feeds) -> np.ndarray:
        """Logits `(N, classes)` in evaluation mode."""

    def values(self, feeds: Feeds, training: bool = False) -> Weights:
        """The value of every node, `(N, C, H, W)` or `(N, C)`."""

    def tensors(self) -> Iterator[tuple[str, np.ndarray]]:
        """Like `weights`, but one by one, and without a copy if possible."""

    @property
    def trainer(self) -> Trainer:
        """The framework's own trainer, for `RECIPE`: the one that users train with."""

    def native_onnx(self) -> Any:
        """The `ModelProto` that the framework's own exporter makes."""


Sides = Mapping[str, Runner]  # by framework


def train_once(runner: Runner, feeds: Feeds, targets: np.ndarray) -> TrainingStep:
    """Make one step of `RECIPE` on soft targets `(N, classes)`. Calls the stages of the shipped trainer one by one."""
    trainer = runner.trainer
    images, *masks = (channels_last(array) for array in feeds.values())
    noise = dict(zip(list(feeds)[1:], masks, strict=True))
    _, gradients = trainer.backward(trainer.place(Batch(images, targets, noise)))
    give_back()  # the activations' memory, before the gradients' copies and the update take as much
    spooled = Spool(trainer.canonical(gradients))
    groups = settings(trainer.graph, RECIPE)
    trainer.update(gradients, step_settings(RECIPE, groups, Place(0, 1, 1)))
    after = {name: rows(tensor) for name, tensor in runner.tensors()}
    return TrainingStep(spooled, {name: after[name] for name in after if name not in spooled}, after)


def channels_last(array: np.ndarray) -> np.ndarray:
    """`(N, C, H, W)` as `(N, H, W, C)`; vectors as they are."""
    return to_channels_last(array, "map") if array.ndim == 4 else array


ROWS = 2**14  # of a tensor with more values than this, every second (third, ...) row is enough


def rows(tensor: np.ndarray) -> np.ndarray:
    """A copy of evenly spaced rows of a canonical tensor, with about `ROWS` values in all."""
    return tensor[:: tensor.size // ROWS + 1].copy()


def sizes(trainable: Iterable[Sequence[int]], every: Iterable[Sequence[int]]) -> tuple[int, int]:
    return sum(math.prod(shape) for shape in trainable), sum(math.prod(shape) for shape in every)


def sizes_of(params: Sequence[Param]) -> tuple[int, int]:
    return sizes([param.shape for param in params if param.trainable], [param.shape for param in params])
