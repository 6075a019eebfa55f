"""What a noisy op draws: for each draw its shape, its law, and whether every image of a batch has its own."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from diptych.errors import GraphError

Values = NDArray[Any]


class Law(Protocol):
    """How the values of a draw are distributed."""

    def of(self, uniform: NDArray[np.float64]) -> Values:
        """The values of uniform numbers in 0 <= u < 1, both `(N, *shape)`: masks in uint8, numbers in float64."""


@dataclass(frozen=True)
class Keep:
    """1 with probability `probability`, which is above 0, and 0 otherwise."""

    probability: float

    def of(self, uniform: NDArray[np.float64]) -> Values:
        return (uniform < self.probability).astype(np.uint8)


@dataclass(frozen=True)
class Uniform:
    """Uniform in `low <= value < high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise GraphError(f"a uniform draw needs low < high, not {self.low} and {self.high}")

    def of(self, uniform: NDArray[np.float64]) -> Values:
        return self.low + (self.high - self.low) * uniform


@dataclass(frozen=True)
class Positions:
    """The positions of the images in the batch, in random order: int64."""

    def of(self, uniform: NDArray[np.float64]) -> Values:
        return uniform.argsort(axis=0)


@dataclass(frozen=True)
class Planned:
    """A draw that the plan of a training makes, by a law of its own. `law` serves comparisons of builders."""

    law: Law

    def of(self, uniform: NDArray[np.float64]) -> Values:
        return self.law.of(uniform)


@dataclass(frozen=True)
class Draw:
    """One draw of an op. `shape` is logical, of one image; a draw `for_batch` is made once for all images.

    Its array is `(N, *shape)`, and `(1, *shape)` if it is for the batch.
    """

    shape: tuple[int, ...]
    law: Law
    for_batch: bool = False
