"""Ops that draw at random in training and do nothing at inference."""

from dataclasses import dataclass

from diptych.errors import GraphError
from netspec.ops.base import NoisyOp, Shape


@dataclass(frozen=True)
class Dropout(NoisyOp):
    """Each value is kept with probability `1 - rate` and divided by it (Srivastava 2014).

    `y = x * draw / (1 - rate)`, `draw` 0 or 1 for each value.
    """

    rate: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.rate < 1:
            raise GraphError(f"dropout rate {self.rate} is outside 0 <= rate < 1")

    @property
    def keep(self) -> float:
        return 1 - self.rate

    def noise_shape(self, x: Shape) -> Shape:
        return x


@dataclass(frozen=True)
class StochasticDepth(NoisyOp):
    """A residual branch is kept with probability `survival`, image by image, and divided by it (1603.09382).

    `y = x * draw / survival`, `draw` 0 or 1 for each image, of shape `(1,)` or `(1, 1, 1)`.
    """

    survival: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.survival <= 1:
            raise GraphError(f"survival probability {self.survival} is outside 0 < survival <= 1")

    @property
    def keep(self) -> float:
        return self.survival

    def noise_shape(self, x: Shape) -> Shape:
        return (1,) * len(x)
