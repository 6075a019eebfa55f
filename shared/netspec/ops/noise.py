"""Ops that draw at random in training."""

from dataclasses import dataclass
from typing import ClassVar

from diptych.errors import GraphError
from netspec.ops.base import NoisyOp, Op, Shape, need_map
from netspec.ops.draws import Draw, Keep, Planned, Positions, Uniform
from netspec.ops.pointwise import Scale


def _need_survival(survival: float) -> None:
    if not 0 < survival <= 1:
        raise GraphError(f"survival probability {survival} is outside 0 < survival <= 1")


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

    def draws(self, x: Shape) -> tuple[Draw, ...]:
        return (Draw(x, Keep(1 - self.rate)),)


@dataclass(frozen=True)
class StochasticDepth(NoisyOp):
    """A residual branch is kept with probability `survival`, image by image, and divided by it (1603.09382).

    `y = x * draw / survival`, `draw` 0 or 1 for each image, of shape `(1,)` or `(1, 1, 1)`.
    """

    survival: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _need_survival(self.survival)

    def draws(self, x: Shape) -> tuple[Draw, ...]:
        return (Draw((1,) * len(x), Keep(self.survival)),)


@dataclass(frozen=True)
class ShakeDrop(NoisyOp):
    """A residual branch is multiplied by a random number, and its gradient by another one (1802.02375).

    `y = x * (b + alpha - b * alpha)` and `dx = dy * (b + beta - b * beta)`. `b` (the draw `gate`) is 1 with probability
    `survival` and 0 otherwise, `alpha` is uniform in -1..1 and `beta` in 0..1. All three are drawn for each image: of
    the paper's levels (batch, image, channel, pixel) this is "image". So are alpha and beta in the code that is most
    used for PyramidNet (kakaobrain/fast-autoaugment), with one gate for the batch; the authors' Torch code draws alpha
    and beta for each pixel, which takes as many random numbers as the map has values.

    At inference, `y = x * survival`, the expectation.
    """

    draw_names: ClassVar[tuple[str, ...]] = ("gate", "alpha", "beta")
    arity: ClassVar[tuple[int, int | None]] = (1, 1 + len(draw_names))

    survival: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _need_survival(self.survival)

    def draws(self, x: Shape) -> tuple[Draw, ...]:
        one = (1,) * len(x)
        return Draw(one, Keep(self.survival)), Draw(one, Uniform(-1, 1)), Draw(one, Uniform(0, 1))

    @property
    def at_inference(self) -> Op:
        return Scale(self.survival)


@dataclass(frozen=True)
class PatchUp(NoisyOp):
    """Patches of a map are mixed with the same patches of another image of the batch (2006.07794).

    `y = (1 - share) * x + share * x[partner]` with `share = (1 - mask) * (1 - weight)`. `mask`, of the input's shape,
    is 0 in the patches and 1 elsewhere. `partner` is a position in the batch for each image. `weight` is what remains
    of an image in its patches. Mask and weight are drawn once for the batch.

    The targets have to be mixed, too, so the plan of a training makes the draws (`trainspec.patchup`). Without them the
    op does nothing, in training as well.
    """

    draw_names: ClassVar[tuple[str, ...]] = ("mask", "partner", "weight")
    arity: ClassVar[tuple[int, int | None]] = (1, 1 + len(draw_names))

    def draws(self, x: Shape) -> tuple[Draw, ...]:
        need_map(self, x)
        one = (1,) * len(x)
        return (
            Draw(x, Planned(Keep(0.5)), for_batch=True),
            Draw(one, Planned(Positions())),
            Draw(one, Planned(Uniform(0, 1)), for_batch=True),
        )
