"""The transforms of `trainspec.augment` for images on the device. The results have the same bits as NumPy's."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from trainspec.augment import Crop, Flip
from trainspec.plan import BatchPlan, normalisation
from trainspec.task import Task

Draws = Mapping[str, Tensor]  # whole numbers are int64


def crop(transform: Crop, images: Tensor, draws: Draws) -> Tensor:
    batch, height, width, _ = images.shape
    pad = transform.pad
    padded = F.pad(images, (0, 0, pad, pad, pad, pad))
    row = draws["corner"][:, :1] + torch.arange(height, device=images.device)  # (B, H)
    column = draws["corner"][:, 1:] + torch.arange(width, device=images.device)  # (B, W)
    image = torch.arange(batch, device=images.device)[:, None, None]
    return padded[image, row[:, :, None], column[:, None, :]]


def flip(transform: Flip, images: Tensor, draws: Draws) -> Tensor:
    return torch.where(draws["mirrored"][:, None, None, None], images.flip(2), images)


HANDLERS: dict[str, Callable[..., Tensor]] = {"crop": crop, "flip": flip}


class Resident:
    """The training images of a task on a device, uint8."""

    def __init__(self, task: Task, device: torch.device) -> None:
        self.device = device
        self.transforms = task.recipe.augmentation.transforms
        self.images = self._placed(task.data.train.images)
        self.offset, self.scale = map(self._placed, normalisation(*task.constants))

    def batch(self, plan: BatchPlan) -> Tensor:
        """The images of a batch, as `trainspec.plan.apply` makes them: float32 `(B, H, W, C)`."""
        images = (self.images[self._placed(plan.indices)].float() - self.offset) * self.scale
        for transform in self.transforms:
            draws = {name: self._placed(array) for name, array in plan.draws[transform.kind].items()}
            images = HANDLERS[transform.kind](transform, images, draws)
        return images

    def _placed(self, array: NDArray[Any]) -> Tensor:
        whole = np.issubdtype(array.dtype, np.signedinteger)
        return torch.from_numpy(array.astype(np.int64) if whole else array).to(self.device, non_blocking=True)
