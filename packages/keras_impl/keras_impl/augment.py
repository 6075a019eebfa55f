"""The transforms of `trainspec.augment` for images on the device. The results have the same bits as NumPy's."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from deploy.shell import is_out_of_memory, say
from keras_impl.kernels import Tensor
from trainspec.augment import OTHERS, Color, Crop, CutMix, Cutout, Flip, Mixup, RandomErasing, Shift
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


def shift(transform: Shift, images: Tensor, draws: Draws) -> Tensor:
    for kind, order in (("row", (0, 1, 2, 3)), ("column", (0, 2, 1, 3))):
        turned, weight = ops.transpose(images, order), draws[f"{kind}_weight"][..., None, None]
        lines = ops.reshape(turned, (-1, *turned.shape[2:]))
        line = ops.arange(turned.shape[0], dtype="int32")[:, None, None] * turned.shape[1] + draws[kind]
        near, far = (weight[:, side] * ops.take(lines, line[:, side], axis=0) for side in range(2))
        images = ops.transpose(near + far, order)
    return images


def color(transform: Color, images: Tensor, draws: Draws) -> Tensor:
    added, factor = (draws[name][:, None, None, None] for name in ("added", "factor"))
    return (images + added) * factor


def cutout(transform: Cutout, images: Tensor, draws: Draws) -> Tensor:
    return ops.where(inside(draws["box"], images), 0.0, images)


def random_erasing(transform: RandomErasing, images: Tensor, draws: Draws) -> Tensor:
    return ops.where(inside(draws["box"], images), 0.0, images)


def mixup(transform: Mixup, images: Tensor, draws: Draws) -> Tensor:
    weight, rest = (draws[name][:, None, None, None] for name in ("weight", "rest"))
    return weight * images + rest * draws[OTHERS]


def cutmix(transform: CutMix, images: Tensor, draws: Draws) -> Tensor:
    return ops.where(inside(draws["box"], images), draws[OTHERS], images)


def inside(boxes: Tensor, images: Tensor) -> Tensor:
    """Which pixels of an image lie in its box, `(B, H, W, 1)`."""
    row, column = (ops.arange(size, dtype="int32") for size in images.shape[1:3])
    top, left, bottom, right = ops.unstack(boxes[:, :, None, None, None], 4, axis=1)
    row, column = row[:, None, None], column[None, :, None]
    return (row >= top) & (row < bottom) & (column >= left) & (column < right)


HANDLERS: dict[str, Callable[..., Tensor]] = {
    "crop": crop,
    "flip": flip,
    "shift": shift,
    "color": color,
    "cutout": cutout,
    "random_erasing": random_erasing,
    "mixup": mixup,
    "cutmix": cutmix,
}


def resident(task: Task) -> Resident | None:
    """The training images of a task on the device; None, with a note, where they are too many for its memory."""

    def placed(array: NDArray[Any]) -> Tensor:
        whole = np.issubdtype(array.dtype, np.signedinteger)
        return ops.convert_to_tensor(array.astype(np.int32) if whole else array)

    def taken(images: Tensor, indices: Tensor) -> Tensor:
        return ops.cast(ops.take(images, indices, axis=0), "float32")

    try:
        return Resident(task, placed, taken, HANDLERS)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        say(
            "note       the training images do not fit in the GPU's free memory: the CPU makes the images of each batch"
        )
        return None
