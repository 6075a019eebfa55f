"""The transforms of `trainspec.augment` for images on the device. The results have the same bits as NumPy's."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_impl.kernels import Tensor
from trainspec.augment import Crop, Flip
from trainspec.resident import Resident
from trainspec.task import Task

Draws = Mapping[str, Tensor]  # whole numbers are int32


def crop(transform: Crop, images: Tensor, draws: Draws) -> Tensor:
    batch, height, width, channels = images.shape
    rows, columns = (ops.convert_to_tensor(transform.places(size)) for size in (height, width))
    row = ops.take(rows, draws["corner"][:, :1] + ops.arange(height, dtype="int32"))  # (B, H)
    column = ops.take(columns, draws["corner"][:, 1:] + ops.arange(width, dtype="int32"))  # (B, W)
    image = ops.arange(batch, dtype="int32")[:, None, None]
    with_zeros = ops.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)))
    pixel = (image * (height + 1) + row[:, :, None]) * (width + 1) + column[:, None, :]
    return ops.take(ops.reshape(with_zeros, (-1, channels)), pixel, axis=0)


def flip(transform: Flip, images: Tensor, draws: Draws) -> Tensor:
    return ops.where(draws["mirrored"][:, None, None, None], ops.flip(images, 2), images)


HANDLERS: dict[str, Callable[..., Tensor]] = {"crop": crop, "flip": flip}


def resident(task: Task) -> Resident:
    """The training images of a task on the device."""

    def placed(array: NDArray[Any]) -> Tensor:
        whole = np.issubdtype(array.dtype, np.signedinteger)
        return ops.convert_to_tensor(array.astype(np.int32) if whole else array)

    def taken(images: Tensor, indices: Tensor) -> Tensor:
        return ops.cast(ops.take(images, indices, axis=0), "float32")

    return Resident(task, placed, taken, HANDLERS)
