"""Boxes of pixels: where they lie in images of a size, and how sizes are drawn for them.

A box is int32 `(4,)`: top, left, bottom, right. Bottom and right do not belong to it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

TRIES = 10  # as in torchvision: a size that does not fit is drawn again, this many times at most


def pixels(place: NDArray[Any], count: Any) -> NDArray[np.int64]:
    """The pixels, from 0 to `count - 1`, of a `place` between 0 and 1 along an axis."""
    return np.minimum(np.floor(place.astype(np.float64) * count), count - 1).astype(np.int64)


def clipped(top: NDArray[Any], left: NDArray[Any], size: NDArray[Any], height: int, width: int) -> NDArray[np.int32]:
    """Boxes, `(B, 4)`, of `size`, `(B, 2)` rows and columns, clipped to an image of `height` and `width`."""
    corners = np.stack([top, left, top + size[:, 0], left + size[:, 1]], axis=1)
    return corners.clip(0, [height, width, height, width]).astype(np.int32)


def inside(boxes: NDArray[np.int32], height: int, width: int) -> NDArray[np.bool_]:
    """Which pixels of an image lie in its box, `(B, H, W, 1)`."""
    row, column = np.arange(height)[:, None, None], np.arange(width)[None, :, None]
    top, left, bottom, right = boxes.T[:, :, None, None, None]
    return (row >= top) & (row < bottom) & (column >= left) & (column < right)


def first_size(
    area: NDArray[Any], log_ratio: NDArray[Any], height: int, width: int, most: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """`(B, 2)` rows and columns of the first try that fits, and whether there is one, `(B,)`.

    `area`, a share of the image, and `log_ratio`, the logarithm of columns by rows, are `(B, TRIES)`. A size fits if it
    is not empty and not above `most`.
    """
    cells, ratio = area.astype(np.float64) * (height * width), np.exp(log_ratio.astype(np.float64))
    sizes = np.rint(np.stack([np.sqrt(cells / ratio), np.sqrt(cells * ratio)], axis=-1)).astype(np.int64)
    fits = ((sizes > 0) & (sizes <= most)).all(axis=-1)
    return sizes[np.arange(len(sizes)), fits.argmax(axis=1)], fits.any(axis=1)
