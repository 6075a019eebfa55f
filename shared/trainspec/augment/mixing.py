"""The base class of the transforms that mix images and their targets."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trainspec.augment.transform import Draws, Transform
from trainspec.distributions import beta, uniform
from trainspec.stream import Stream

PARTNER = "partner"  # the draw that says which visit of the epoch is mixed in
OTHERS = "others"  # beside the draws of a batch: the partners' images
STEPS = 1 << 16  # of a weight, from 0 to 1


@dataclass(frozen=True)
class Mixing(Transform):
    """Mixes each image with a partner: any that the epoch visits, with its own crop, flip and so on.

    The weight of the image itself is drawn from Beta(`alpha`, `alpha`). An image is mixed with `probability`. `per`:
    each "sample" has its own draws, or all samples of a "batch" use those of its first one. Each always has its own
    partner. So the draws of an epoch do not depend on the batch size; what a batch makes of them does.
    """

    alpha: float = field(default=1.0, metadata={"least": 0.01, "most": 100.0})
    probability: float = field(default=1.0, metadata={"above": 0.0, "most": 1.0, "also": ("prob", "p")})
    per: Literal["batch", "sample"] = "batch"

    def draw(self, stream: Stream, samples: int) -> dict[str, NDArray[Any]]:
        """`partner`, uint64 `(N,)`, words by which a plan chooses visits of its epoch; `weight`, float32 `(N,)`, 1
        where nothing is mixed; `place`, float32 `(N, 2)`, where a box is, between 0 and 1 along both axes.

        Weights are multiples of 2^-16. So float32 holds both parts of a pair exactly, and the last bit of a logarithm,
        which is not the same on all processors, does not change a plan.
        """
        words = stream.words(5 * samples).reshape(samples, 5)
        mixed = uniform(words[:, 2]) < self.probability
        weight = np.rint(beta(words[:, 1], self.alpha, self.alpha) * STEPS) / STEPS
        return {
            PARTNER: words[:, 0],
            "weight": np.where(mixed, weight, 1).astype(np.float32),
            "place": uniform(words[:, 3:]).astype(np.float32),
        }

    def of_batch(self, draws: Draws) -> Draws:
        """The draws of a batch. With `per = "batch"`, all but the partners are those of the first image."""
        if self.per == "sample":
            return draws
        first = {name: np.broadcast_to(array[:1], array.shape).copy() for name, array in draws.items()}
        return {**first, PARTNER: draws[PARTNER]}

    def share(self, draws: Draws, height: int, width: int) -> NDArray[np.float64]:
        """The share of each image's own target, `(B,)`. The rest is the partner's."""
        raise NotImplementedError
