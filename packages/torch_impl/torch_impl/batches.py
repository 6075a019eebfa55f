"""The batches of an epoch as PyTorch takes them: images `(B, C, H, W)`, targets `(B, classes)`.

On a CPU NumPy makes them, ahead of the network. On a GPU the whole data set lies on the device as uint8 and
`apply` is the twin of `trainspec.plan.apply`, step by step and bit by bit; the noise alone comes from NumPy.
"""

from collections.abc import Generator, Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torch_impl.machine import Machine
from trainspec.plan import Batch, BatchPlan, ahead, normalisation
from trainspec.task import Task


class Batches:
    """Makes the batches of plans, in order, where it is fastest."""

    def __init__(self, task: Task, machine: Machine) -> None:
        self.task, self.machine = task, machine
        self.resident = None if machine.device.type == "cpu" else Resident(task, machine.device)

    def __call__(self, plans: Iterable[BatchPlan]) -> Generator[Batch, None, None]:
        if self.resident is None:
            yield from ahead(self.machine.feed(self.task.batch(plan)) for plan in plans)
        else:
            for plan, noise in ahead((plan, self.task.noise(plan)) for plan in plans):
                yield self.machine.feed(Batch(*self.resident.batch(plan), noise))


class Resident:
    """A training split on the device, uint8."""

    def __init__(self, task: Task, device: torch.device) -> None:
        self.images = torch.from_numpy(task.data.train.images).to(device)
        self.targets = torch.from_numpy(task.targets(task.data.train.labels)).to(device)
        self.offset, self.scale = (torch.from_numpy(part).to(device) for part in normalisation(*task.constants))
        self.padding = task.recipe.augmentation.pad
        self.device = device

    def batch(self, plan: BatchPlan) -> tuple[Tensor, Tensor]:
        """Images float32 `(B, H, W, C)` and targets."""
        indices, crops, flips = (self.placed(part) for part in (plan.indices.astype(np.int64), plan.crops, plan.flips))
        images = apply(self.images, indices, crops.long(), flips, self.padding, self.offset, self.scale)
        return images, self.targets[indices]

    def placed(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self.device, non_blocking=True)


def apply(
    images: Tensor, indices: Tensor, crops: Tensor, flips: Tensor, padding: int, offset: Tensor, scale: Tensor
) -> Tensor:
    """`trainspec.plan.apply` on the device: uint8 `(N, H, W, C)` to float32 `(B, H, W, C)`."""
    samples, height, width, channels = images.shape
    across = torch.arange(width, device=images.device)
    row = crops[:, :1] - padding + torch.arange(height, device=images.device)
    column = crops[:, 1:] - padding + torch.where(flips[:, None], across.flip(0), across)
    valid = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None, :]

    flat_row = indices[:, None] * height + row.clamp(0, height - 1)
    pixel = flat_row[:, :, None] * width + column.clamp(0, width - 1)[:, None, :]
    batch = (images.reshape(samples * height * width, channels)[pixel].float() - offset) * scale
    return torch.where(valid[..., None], batch, 0.0)
