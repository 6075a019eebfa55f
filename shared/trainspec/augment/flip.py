"""Mirror images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainspec.augment.transform import Draws, Transform
from trainspec.stream import Stream


@dataclass(frozen=True)
class Flip(Transform):
    """Mirrors half of the images left to right."""

    kind = "flip"
    purpose = 2

    def draw(self, stream: Stream, samples: int) -> dict[str, NDArray[Any]]:
        """`mirrored`, bool `(N,)`."""
        return {"mirrored": stream.words(samples) % np.uint64(2) == 1}

    def apply(self, images: NDArray[np.float32], draws: Draws) -> NDArray[np.float32]:
        """Images, mirrored where `mirrored` says so."""
        mirrored = draws["mirrored"]
        flipped = images.copy()
        backwards = np.arange(images.shape[2])[::-1]
        flipped[mirrored] = images[mirrored].take(backwards, axis=2)  # copies whole pixels; `::-1` would not
        return flipped
