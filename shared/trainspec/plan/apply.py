"""Make a network's input from a plan and the images.

The frameworks' `augment.py` do the same on the device, with equal bits. Therefore an image is normalised by one float32
subtraction and then one multiplication. No compiler may fuse these two, so the rounding stays the same. It may fuse a
multiplication with an addition after it.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from trainspec.augment import Transform
from trainspec.plan.epoch import BatchPlan


def apply(
    images: NDArray[np.uint8],
    plan: BatchPlan,
    transforms: Iterable[Transform],
    mean: Sequence[float],
    std: Sequence[float],
) -> NDArray[np.float32]:
    """The batch of `plan`, float32 `(B, H, W, C)`, made from the data set's `images`, uint8 `(N, H, W, C)`.

    The images are normalised first. Then the transforms change them, one after the other. `mean` and `std` are per
    channel on the 0..1 scale.
    """
    batch = normalise(images.take(plan.indices, axis=0), mean, std)
    for transform in transforms:
        batch = transform.apply(batch, plan.draws[transform.kind])
    return batch


def normalise(images: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """uint8 `(N, H, W, C)` images as float32 `(image / 255 - mean) / std`, of the same shape."""
    # On whole rows of pixels: NumPy is ten times slower if it broadcasts over the channels alone.
    offset, scale = (np.tile(constant, images.shape[2]) for constant in normalisation(mean, std))
    rows = images.reshape(-1, len(offset)).astype(np.float32)
    rows -= offset
    rows *= scale
    return rows.reshape(images.shape)


def normalisation(mean: Sequence[float], std: Sequence[float]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`(offset, scale)`, float32 `(C,)` each. `(image - offset) * scale` normalises an image of 0..255."""
    offset = np.asarray(mean, np.float64) * 255
    scale = 1 / (np.asarray(std, np.float64) * 255)
    return offset.astype(np.float32), scale.astype(np.float32)


def one_hot(labels: NDArray[np.int64], classes: int, smoothing: float = 0.0) -> NDArray[np.float64]:
    """Targets, float64 `(B, classes)`, for `labels` `(B,)`. `smoothing` is spread over all classes (1512.00567).

    Each row sums to 1 within float64's precision. TensorFlow's gradient assumes this; PyTorch's does not.
    """
    targets = np.full((len(labels), classes), smoothing / classes)
    targets[np.arange(len(labels)), labels] = 1 - smoothing + smoothing / classes
    return targets
