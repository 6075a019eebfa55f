"""Turns uint8 images into what a network takes. NumPy only."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def normalisation(mean: Sequence[float], std: Sequence[float]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`(offset, scale)`, float32 `(C,)` each. `(image - offset) * scale` normalises an image of 0..255."""
    offset, deviation = np.asarray(mean, np.float64) * 255, np.asarray(std, np.float64) * 255
    return offset.astype(np.float32), (1 / deviation).astype(np.float32)


def normalised(images: NDArray[Any], mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """uint8 `(N, H, W, C)` images as float32 `(N, C, H, W)`: `(image / 255 - mean) / std`."""
    offset, scale = normalisation(mean, std)
    return np.ascontiguousarray(((images.astype(np.float32) - offset) * scale).transpose(0, 3, 1, 2))
