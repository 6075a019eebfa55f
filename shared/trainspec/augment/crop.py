"""Random crops of a padded image."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainspec.augment.border import Border, places
from trainspec.augment.transform import Draws, Transform
from trainspec.stream import Stream


@dataclass(frozen=True)
class Crop(Transform):
    """Adds `pad` pixels on every side, then crops to the old size at a random place (1512.03385).

    `border` is what these pixels show: see `trainspec.augment.border`.
    """

    kind = "crop"
    purpose = 1

    pad: int = field(default=4, metadata={"least": 0, "most": 1024, "also": ("padding",)})
    border: Border = field(default="constant", metadata={"also": ("padding_mode", "fill_mode")})

    def draw(self, stream: Stream, samples: int) -> dict[str, NDArray[Any]]:
        """`corner`, int16 `(N, 2)`: the row and the column of the crop's first pixel in the padded image."""
        words = stream.words(2 * samples).reshape(samples, 2)
        return {"corner": (words % np.uint64(2 * self.pad + 1)).astype(np.int16)}

    def places(self, size: int) -> NDArray[np.int32]:
        """The pixels of the image that a padded axis shows, int32 `(size + 2 * pad,)`; `size` is a pixel of zeros."""
        return places(size, self.pad, self.border)

    def apply(self, images: NDArray[np.float32], draws: Draws) -> NDArray[np.float32]:
        """Images cropped at `corner`."""
        height, width = images.shape[1:3]
        border = (self.pad, self.pad)
        padded = np.pad(images, ((0, 0), border, border, (0, 0)), mode=self.border)
        cropped = np.empty_like(images)
        for target, image, (row, column) in zip(cropped, padded, draws["corner"].tolist(), strict=True):
            target[:] = image[row : row + height, column : column + width]
        return cropped
