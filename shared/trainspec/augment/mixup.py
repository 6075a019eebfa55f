"""Mixup: weighted means of two images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainspec.augment.mixing import OTHERS, Mixing
from trainspec.augment.transform import Draws


@dataclass(frozen=True)
class Mixup(Mixing):
    """The mean of an image and its partner, by their weights (1710.09412). Their targets are mixed by the same."""

    kind = "mixup"
    purpose = 20

    def fitted(self, draws: Draws, height: int, width: int) -> Draws:
        """`weight` of the images and `rest`, the partners' weight, float32 `(B,)`."""
        return {"weight": draws["weight"], "rest": 1 - draws["weight"]}

    def share(self, draws: Draws, height: int, width: int) -> NDArray[np.float64]:
        """The weight."""
        return draws["weight"].astype(np.float64)

    def apply(self, images: NDArray[np.float32], draws: Draws) -> NDArray[np.float32]:
        """`weight * images + rest * others`."""
        weight, rest = (draws[name][:, None, None, None] for name in ("weight", "rest"))
        mixed: NDArray[np.float32] = weight * images + rest * draws[OTHERS]
        return mixed
