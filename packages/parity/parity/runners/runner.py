"""What every way to run a network has.

All take canonical arrays, images `(N, C, H, W)` and draws by input name, and give canonical arrays back:
logits, every node's value, gradients by parameter name.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from netspec.init import Weights
from netspec.ops import Param
from trainspec.recipes import Optimizer

Feeds = Mapping[str, np.ndarray]  # by input name, `image` first

STEP = Optimizer(momentum=0.9, nesterov=True, weight_decay=5e-4)
RATE = 0.1


@dataclass(frozen=True)
class TrainingStep:
    """What a step in training mode gives: the gradients of trainables; after it, the statistics and all tensors.

    Of tensors after the step rows will do (`rows`): an optimizer treats all values of a tensor alike.
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

    def train_once(self, feeds: Feeds, targets: np.ndarray) -> TrainingStep:
        """One step of `STEP` on soft targets `(N, classes)`; auxiliary heads by the weights of their losses."""

    def native_onnx(self) -> Any:
        """The `ModelProto` that the framework's own exporter makes."""


Sides = Mapping[str, Runner]  # by framework

ROWS = 2**14  # values of a tensor, above which every second row will do, every third, and so on


def rows(tensor: np.ndarray) -> np.ndarray:
    """A copy of as many rows of a canonical tensor, evenly spaced, as hold about `ROWS` values."""
    return tensor[:: tensor.size // ROWS + 1].copy()


def sizes(trainable: Iterable[Sequence[int]], every: Iterable[Sequence[int]]) -> tuple[int, int]:
    return sum(math.prod(shape) for shape in trainable), sum(math.prod(shape) for shape in every)


def sizes_of(params: Sequence[Param]) -> tuple[int, int]:
    return sizes([param.shape for param in params if param.trainable], [param.shape for param in params])
