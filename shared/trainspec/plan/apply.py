"""From a plan and the images to the numbers a network is fed.

The frameworks' twins for images that stay on the device are ports of `apply`, step by step. All give the same bits:
an image is normalised by one float32 subtraction and one multiplication, which no compiler may fuse into another
rounding (a multiplication followed by an addition it may).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainspec.plan.epoch import BatchPlan


def apply(
    images: NDArray[np.uint8], plan: BatchPlan, *, padding: int, mean: Sequence[float], std: Sequence[float]
) -> NDArray[np.float32]:
    """The batch that `plan` makes of the data set's `images`, uint8 `(N, H, W, C)`: float32 `(B, H, W, C)`.

    Each image is padded with `padding` pixels of the mean colour (zero after normalisation), cropped to its old size
    at `plan.crops`, mirrored where `plan.flips`, normalised. `mean` and `std` are per channel on the 0..1 scale.
    """
    samples, height, width, channels = images.shape
    across = np.arange(width)
    row = plan.crops[:, :1] - padding + np.arange(height)  # (B, H): where each output row comes from
    column = plan.crops[:, 1:] - padding + np.where(plan.flips[:, None], across[::-1], across)  # (B, W)
    valid = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None, :]

    flat_row = plan.indices[:, None].astype(np.int64) * height + row.clip(0, height - 1)
    pixel = flat_row[:, :, None] * width + column.clip(0, width - 1)[:, None, :]  # (B, H, W) into (N*H*W, C)
    batch = normalise(images.reshape(samples * height * width, channels).take(pixel, axis=0), mean, std)
    batch[~valid] = 0
    return batch


def normalise(images: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """uint8 `(N, H, W, C)` images as float32 `(image / 255 - mean) / std`, of the same shape."""
    # By whole rows of pixels: NumPy is ten times slower where it broadcasts over no more than the channels.
    offset, scale = (np.tile(constant, images.shape[2]) for constant in normalisation(mean, std))
    rows = images.reshape(-1, len(offset)).astype(np.float32)
    rows -= offset
    rows *= scale
    return rows.reshape(images.shape)


def normalisation(mean: Sequence[float], std: Sequence[float]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`(offset, scale)`, float32 `(C,)` each: an image of 0..255 is normalised as `(image - offset) * scale`."""
    offset = np.asarray(mean, np.float64) * 255
    scale = 1 / (np.asarray(std, np.float64) * 255)
    return offset.astype(np.float32), scale.astype(np.float32)


def one_hot(labels: NDArray[np.int64], classes: int, smoothing: float = 0.0) -> NDArray[np.float64]:
    """Targets, float64 `(B, classes)`, of `labels` `(B,)`: `smoothing` is spread over all classes (1512.00567).

    A row sums to 1 as closely as float64 can say it: TensorFlow's gradient takes that for granted, PyTorch's does not.
    """
    targets = np.full((len(labels), classes), smoothing / classes)
    targets[np.arange(len(labels)), labels] = 1 - smoothing + smoothing / classes
    return targets
