"""The transforms of `trainspec.augment` for images on the device. The results have the same bits as NumPy's."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from trainspec.augment import Crop, Flip
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


HANDLERS: dict[str, Callable[..., Tensor]] = {"crop": crop, "flip": flip}


def resident(task: Task, device: torch.device) -> Resident:
    """The training images of a task on a device."""

    def placed(array: NDArray[Any]) -> Tensor:
        whole = np.issubdtype(array.dtype, np.signedinteger)
        return torch.from_numpy(array.astype(np.int64) if whole else array).to(device, non_blocking=True)

    return Resident(task, placed, lambda images, indices: images[indices].float(), HANDLERS)
