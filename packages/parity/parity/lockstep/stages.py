"""The stages of one step as arrays by canonical name, and how far two steps are apart at each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.compare import largest_of, limits
from netspec.init import Weights
from trainspec.plan import Batch
from trainspec.stream import Stream

STAGES = ("forward", "gradient", "statistics", "update")
UNITS = {"fp64": 2.0**-53, "fp32": 2.0**-24, "tf32": 2.0**-11, "bf16": 2.0**-8, "fp16": 2.0**-11}  # half a last bit
ROUNDING = 127  # the purpose of the words in `disturbed`, beside those of `trainspec.stream`


@dataclass(frozen=True, eq=False)
class Stages:
    """`forward`: targets, loss, and logits in evaluation mode. `update`: trainable weights, slots and average after it.

    `gradient` is empty where the step was made as a whole.
    """

    forward: Weights
    gradient: Weights
    statistics: Weights
    update: Weights


def rounding_of_sums(unit: float, batch: tuple[int, ...]) -> float:
    """Some standard deviations of the rounding of a sum over the pixels of a batch `(B, H, W)`, as a share of it."""
    return limits().rounding_deviations * unit * math.sqrt(math.prod(batch))


def apart(one: Stages, other: Stages) -> dict[str, dict[str, float]]:
    """`max|a-b|` of every tensor that both have, by stage."""
    found: dict[str, dict[str, float]] = {}
    for stage in STAGES:
        a, b = getattr(one, stage), getattr(other, stage)
        found[stage] = {name: largest_of(np.asarray(a[name], np.float64) - b[name]) for name in a if name in b}
    return found


def magnitudes(step: Stages) -> dict[str, dict[str, float]]:
    """The largest value of every tensor's node, by stage: a norm's mean may be 0 while its variance is not."""
    found: dict[str, dict[str, float]] = {}
    for stage in STAGES:
        largest: dict[str, float] = {}
        for name, array in getattr(step, stage).items():
            node = name.rpartition(".")[0]
            largest[node] = max(largest.get(node, 0.0), largest_of(array))
        found[stage] = {name: largest[name.rpartition(".")[0]] for name in getattr(step, stage)}
    return found


def below_floor(gradients: Mapping[str, NDArray[Any]]) -> tuple[str, ...]:
    """Parameters with a gradient below the floor of `tolerances.toml`: only rounding, as for a bias before a norm."""
    largest = {name: largest_of(gradient) for name, gradient in gradients.items()}
    floor = limits().float64_floor * max(largest.values(), default=0.0)
    return tuple(name for name, value in largest.items() if value < floor)


def belongs(tensor: str, parameters: tuple[str, ...]) -> bool:
    """Whether a tensor of a state is one of these parameters, or a slot or the average of one."""
    return tensor in parameters or tensor.partition(".")[2] in parameters


class Disturbance:
    """Moves every value by at most `size` of itself: the value could have been any of these before it was rounded."""

    def __init__(self, seed: int, step: int, draw: int, size: float) -> None:
        self.stream, self.size = Stream(seed, step << 8 | draw, ROUNDING), size

    def state(self, state: Weights) -> Weights:
        """A state, in float64."""
        values = self._moved([state[name] for name in state])
        return dict(zip(state, values, strict=True))

    def batch(self, batch: Batch) -> Batch:
        """A batch made by NumPy: its images and targets, in float64."""
        images, targets = self._moved([batch.images, batch.targets])
        return replace(batch, images=images, targets=targets)

    def _moved(self, arrays: list[NDArray[Any]]) -> list[NDArray[np.float64]]:
        words = self.stream.words(sum(array.size for array in arrays))
        shares = words.astype(np.float64) * 2.0**-63 - 1.0
        parts = np.split(shares, np.cumsum([array.size for array in arrays])[:-1])
        return [
            array * (1.0 + self.size * part.reshape(array.shape)) for array, part in zip(arrays, parts, strict=True)
        ]
