"""The transforms of `trainspec.augment` for images on the device. The results have the same bits as NumPy's."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from deploy.shell import say
from trainspec.augment import OTHERS, Color, Crop, CutMix, Cutout, Flip, Mixup, RandomErasing, Shift
from trainspec.resident import Resident
from trainspec.task import Task

Draws = Mapping[str, Tensor]  # whole numbers are int64


def crop(transform: Crop, images: Tensor, draws: Draws) -> Tensor:
    batch, height, width, _ = images.shape
    on_device = images.device
    rows, columns = (torch.from_numpy(transform.places(size)).to(on_device) for size in (height, width))
    row = rows[draws["corner"][:, :1] + torch.arange(height, device=on_device)]  # (B, H)
    column = columns[draws["corner"][:, 1:] + torch.arange(width, device=on_device)]  # (B, W)
    image = torch.arange(batch, device=on_device)[:, None, None]
    with_zeros = F.pad(images, (0, 0, 0, 1, 0, 1))
    return with_zeros[image, row[:, :, None], column[:, None, :]]


def flip(transform: Flip, images: Tensor, draws: Draws) -> Tensor:
    return torch.where(draws["mirrored"][:, None, None, None], images.flip(2), images)


def shift(transform: Shift, images: Tensor, draws: Draws) -> Tensor:
    image = torch.arange(len(images), device=images.device)[:, None]
    for kind, axis in (("row", 1), ("column", 2)):
        turned, pixel, weight = images.transpose(1, axis), draws[kind], draws[f"{kind}_weight"][..., None, None]
        near, far = (weight[:, side] * turned[image, pixel[:, side]] for side in range(2))
        images = (near + far).transpose(1, axis)
    return images.contiguous()


def color(transform: Color, images: Tensor, draws: Draws) -> Tensor:
    added, factor = (draws[name][:, None, None, None] for name in ("added", "factor"))
    return (images + added) * factor


def cutout(transform: Cutout, images: Tensor, draws: Draws) -> Tensor:
    return images.masked_fill(inside(draws["box"], images), 0.0)


def random_erasing(transform: RandomErasing, images: Tensor, draws: Draws) -> Tensor:
    return images.masked_fill(inside(draws["box"], images), 0.0)


def mixup(transform: Mixup, images: Tensor, draws: Draws) -> Tensor:
    weight, rest = (draws[name][:, None, None, None] for name in ("weight", "rest"))
    return weight * images + rest * draws[OTHERS]


def cutmix(transform: CutMix, images: Tensor, draws: Draws) -> Tensor:
    return torch.where(inside(draws["box"], images), draws[OTHERS], images)


def inside(boxes: Tensor, images: Tensor) -> Tensor:
    """Which pixels of an image lie in its box, `(B, H, W, 1)`."""
    row, column = (torch.arange(size, device=images.device) for size in images.shape[1:3])
    top, left, bottom, right = boxes.T[:, :, None, None, None]
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


def resident(task: Task, device: torch.device) -> Resident | None:
    """The training images of a task on a device; None, with a note, where they would take much of its memory."""
    if not fits(needed := task.data.train.array().nbytes, device):
        say(
            f"note       the training images take {needed / 2**30:,.1f} GiB, more than half of the GPU's free memory: "
            "the CPU makes the images of each batch"
        )
        return None

    def placed(array: NDArray[Any]) -> Tensor:
        whole = np.issubdtype(array.dtype, np.signedinteger)
        return torch.from_numpy(array.astype(np.int64) if whole else array).to(device, non_blocking=True)

    return Resident(task, placed, lambda images, indices: images[indices].float(), HANDLERS)


def fits(needed: int, device: torch.device) -> bool:
    """Whether so many bytes are at most half of a GPU's free memory. The network needs the rest."""
    return device.type != "cuda" or 2 * needed <= torch.cuda.mem_get_info(device)[0]
