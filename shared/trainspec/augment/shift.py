"""Shifts of an image by a part of a pixel."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainspec.augment.border import Border, places
from trainspec.augment.transform import Draws, Transform
from trainspec.distributions import uniform
from trainspec.stream import Stream


@dataclass(frozen=True)
class Shift(Transform):
    """Shifts an image by up to `fraction` of its height and of its width, each a continuous number of pixels.

    This is the `width_shift_range` and `height_shift_range` of Keras's `ImageDataGenerator`, as origin 1 uses it in
    Keras 2.1.5: `scipy.ndimage.affine_transform` with `order=1`, which is bilinear (nearest until Keras pull request
    8849 of December 2017). A pixel from beyond the centres of the outermost pixels shows the `border`.
    Keras's `fill_mode = "reflect"` is `symmetric` here: see `trainspec.augment.border`.
    """

    kind = "shift"
    purpose = 16

    fraction: float = field(default=0.125, metadata={"least": 0.0, "most": 1.0, "also": ("width_shift_range",)})
    border: Border = "constant"

    def draw(self, stream: Stream, samples: int) -> dict[str, NDArray[Any]]:
        """`moved`, float32 `(N, 2)`: by which part of its height and of its width an image moves up and left."""
        words = stream.words(2 * samples).reshape(samples, 2)
        return {"moved": uniform(words, -self.fraction, self.fraction).astype(np.float32)}

    def fitted(self, draws: Draws, height: int, width: int) -> Draws:
        """The two rows that each row of the result is made of: `row`, int32 `(B, 2, H)`, and the `row_weight` of each,
        float32. `column` and `column_weight`, `(B, 2, W)`, too."""
        rows, columns = (self._neighbours(draws["moved"][:, axis], size) for axis, size in enumerate((height, width)))
        return {"row": rows[0], "row_weight": rows[1], "column": columns[0], "column_weight": columns[1]}

    def _neighbours(self, moved: NDArray[np.float32], size: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        pad = size + 1
        first = np.floor(moved.astype(np.float64) * size)
        part = (moved.astype(np.float64) * size - first)[:, None]
        shown = places(size, pad, self.border)
        line = first.astype(np.int64)[:, None] + np.arange(size) + pad
        pixel = np.stack([shown[line], shown[line + 1]], axis=1)
        weight = np.stack(np.broadcast_arrays(1 - part, part + np.zeros(size)), axis=1)
        beyond = ((pixel == size) & (weight > 0)).any(axis=1, keepdims=True)
        return np.minimum(pixel, size - 1), np.where(beyond, 0, weight).astype(np.float32)

    def apply(self, images: NDArray[np.float32], draws: Draws) -> NDArray[np.float32]:
        """Images, shifted by rows and then by columns."""
        image = np.arange(len(images))[:, None]
        for kind, axis in (("row", 1), ("column", 2)):
            turned, pixel, weight = images.swapaxes(1, axis), draws[kind], draws[f"{kind}_weight"][..., None, None]
            near, far = (weight[:, side] * turned[image, pixel[:, side]] for side in range(2))
            images = (near + far).swapaxes(1, axis)
        return np.ascontiguousarray(images)
