"""Squares cut out of images."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainspec.augment.boxes import clipped, inside, pixels
from trainspec.augment.transform import Draws, Transform
from trainspec.distributions import uniform
from trainspec.stream import Stream


@dataclass(frozen=True)
class Cutout(Transform):
    """Sets a square of `side` pixels to zero, the mean colour after normalisation (1708.04552).

    Its centre may be any pixel, and what lies outside the image is lost. With `whole`, the square always lies inside
    the image, as in airbench.
    """

    kind = "cutout"
    purpose = 17

    side: int = field(default=16, metadata={"least": 1, "most": 1024, "also": ("size", "length")})
    whole: bool = False

    def draw(self, stream: Stream, samples: int) -> dict[str, NDArray[Any]]:
        """`place`, float32 `(N, 2)`: where the square is, between 0 and 1 along both axes."""
        return {"place": uniform(stream.words(2 * samples).reshape(samples, 2)).astype(np.float32)}

    def problem_on(self, height: int, width: int) -> str | None:
        """With this side, every square would cover its whole image."""
        most = max(height, width) if self.whole else 2 * max(height, width) - 1
        return (
            f"side: {self.side} cuts out the whole of {height}x{width} images; lower it" if self.side >= most else None
        )

    def fitted(self, draws: Draws, height: int, width: int) -> Draws:
        """`box`, int32 `(B, 4)`."""
        spare, before = (self.side - 1, 0) if self.whole else (0, self.side // 2)
        top, left = (
            pixels(draws["place"][:, axis], max(1, size - spare)) - before for axis, size in enumerate((height, width))
        )
        return {"box": clipped(top, left, np.full((len(top), 2), self.side), height, width)}

    def apply(self, images: NDArray[np.float32], draws: Draws) -> NDArray[np.float32]:
        """Images without their boxes."""
        return np.where(inside(draws["box"], *images.shape[1:3]), np.float32(0), images)
