"""Mirror images."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trainspec.augment.transform import Draws, Transform
from trainspec.stream import Stream


@dataclass(frozen=True)
class Flip(Transform):
    """Mirrors half of the images left to right.

    `mode`: "random" draws anew in every epoch. "alternating" draws once for each image, from the seed alone; every
    other epoch shows the other side, so that two epochs show both (2404.00498). With `data.balance`, this holds for the
    first visit of an image in an epoch; further visits are drawn.
    """

    kind = "flip"
    purpose = 2

    mode: Literal["random", "alternating"] = field(default="random", metadata={"also": ("alternating",)})

    def draw(self, stream: Stream, samples: int) -> dict[str, NDArray[Any]]:
        """`mirrored`, bool `(N,)`."""
        epoch, turned = {"random": (stream.epoch, 0), "alternating": (0, stream.epoch % 2)}[self.mode]
        drawn = replace(stream, epoch=epoch).words(samples) % np.uint64(2)
        return {"mirrored": drawn != turned}

    def apply(self, images: NDArray[np.float32], draws: Draws) -> NDArray[np.float32]:
        """Images, mirrored where `mirrored` says so."""
        mirrored = draws["mirrored"]
        flipped = images.copy()
        backwards = np.arange(images.shape[2])[::-1]
        flipped[mirrored] = images[mirrored].take(backwards, axis=2)  # copies whole pixels; `::-1` would not
        return flipped
