"""Rectangles erased from images."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainspec.augment.boxes import TRIES, clipped, first_size, inside, pixels
from trainspec.augment.transform import Draws, Transform
from trainspec.distributions import uniform
from trainspec.stream import Stream


@dataclass(frozen=True)
class RandomErasing(Transform):
    """With `probability`, sets a rectangle to zero, the mean colour after normalisation (1708.04896).

    It covers from `least_area` to `most_area` of the image. Its width is from `least_ratio` to `1 / least_ratio` times
    its height. As in torchvision, the ratio is uniform on a logarithmic scale, the rectangle is smaller than the image
    along both axes, and an image for which ten drawn sizes do not fit stays whole. It cannot be filled with noise.
    """

    kind = "random_erasing"
    purpose = 18

    probability: float = field(default=0.5, metadata={"above": 0.0, "most": 1.0, "also": ("p",)})
    least_area: float = field(default=0.02, metadata={"above": 0.0, "most": 1.0})
    most_area: float = field(default=0.4, metadata={"above": 0.0, "most": 1.0})
    least_ratio: float = field(default=0.3, metadata={"least": 0.01, "most": 1.0})

    def problem(self) -> str | None:
        """What is wrong with the values taken together; None if nothing is."""
        return "least_area: must not be above most_area" if self.least_area > self.most_area else None

    def draw(self, stream: Stream, samples: int) -> dict[str, NDArray[Any]]:
        """`erased`, bool `(N,)`; `place`, float32 `(N, 2)`; `area` and `log_ratio`, float32 `(N, TRIES)`."""
        words = stream.words((3 + 2 * TRIES) * samples).reshape(samples, -1)
        widest = -math.log(self.least_ratio)
        return {
            "erased": uniform(words[:, 0]) < self.probability,
            "place": uniform(words[:, 1:3]).astype(np.float32),
            "area": uniform(words[:, 3 : 3 + TRIES], self.least_area, self.most_area).astype(np.float32),
            "log_ratio": uniform(words[:, 3 + TRIES :], -widest, widest).astype(np.float32),
        }

    def fitted(self, draws: Draws, height: int, width: int) -> Draws:
        """`box`, int32 `(B, 4)`; empty where nothing is erased."""
        size, found = first_size(draws["area"], draws["log_ratio"], height, width, (height - 1, width - 1))
        size = np.where((found & draws["erased"])[:, None], size, 0)
        corner = pixels(draws["place"], np.array([height, width]) - size + 1)
        return {"box": clipped(corner[:, 0], corner[:, 1], size, height, width)}

    def apply(self, images: NDArray[np.float32], draws: Draws) -> NDArray[np.float32]:
        """Images without their boxes."""
        return np.where(inside(draws["box"], *images.shape[1:3]), np.float32(0), images)
