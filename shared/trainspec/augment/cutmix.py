"""CutMix: a box of another image."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainspec.augment.boxes import clipped, inside, pixels
from trainspec.augment.mixing import OTHERS, Mixing
from trainspec.augment.transform import Draws


@dataclass(frozen=True)
class CutMix(Mixing):
    """Puts a box of the partner into an image (1905.04899).

    The box has `sqrt(1 - weight)` of the image's height and of its width, rounded down. `box`: by its "centre", which
    may be any pixel (the size is rounded down to even, as by the authors and by torchvision); or by its upper left
    "corner", which may lie at the image's lower or right end, too (as in origin 3). It is clipped to the image. The
    targets are mixed by the area that is left.
    """

    kind = "cutmix"
    purpose = 21

    box: Literal["centre", "corner"] = "centre"

    def fitted(self, draws: Draws, height: int, width: int) -> Draws:
        """`box`, int32 `(B, 4)`."""
        root = np.sqrt(1 - draws["weight"].astype(np.float64))[:, None]
        size = np.floor(root * [height, width]).astype(np.int64)
        half, spare = {"centre": (size // 2, 0), "corner": (np.zeros_like(size), 1)}[self.box]
        top, left = (pixels(draws["place"], np.array([height, width]) + spare) - half).T
        return {"box": clipped(top, left, np.where(self.box == "centre", 2 * half, size), height, width)}

    def share(self, draws: Draws, height: int, width: int) -> NDArray[np.float64]:
        """The part of an image that is not covered."""
        top, left, bottom, right = self.fitted(draws, height, width)["box"].T
        covered: NDArray[np.float64] = (bottom - top) * (right - left) / (height * width)
        return 1 - covered

    def apply(self, images: NDArray[np.float32], draws: Draws) -> NDArray[np.float32]:
        """Images with the boxes of the others."""
        return np.where(inside(draws["box"], *images.shape[1:3]), draws[OTHERS], images)
