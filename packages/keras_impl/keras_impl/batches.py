"""The batches of an epoch as Keras takes them: images `(B, H, W, C)`, targets `(B, classes)`.

On a CPU NumPy makes them, ahead of the network. On a GPU the whole data set lies on the device as uint8 and
`apply` is the twin of `trainspec.plan.apply`, step by step and bit by bit; the noise alone comes from NumPy.
"""

from collections.abc import Generator, Iterable

import numpy as np
from keras import ops

from keras_impl.kernels import Tensor
from keras_impl.machine import Machine
from trainspec.plan import Batch, BatchPlan, ahead, normalisation
from trainspec.task import Task


class Batches:
    """Makes the batches of plans, in order, where it is fastest."""

    def __init__(self, task: Task, machine: Machine) -> None:
        self.task, self.machine = task, machine
        self.resident = Resident(task) if machine.on_gpu else None

    def __call__(self, plans: Iterable[BatchPlan]) -> Generator[Batch, None, None]:
        if self.resident is None:
            yield from ahead(self.machine.feed(self.task.batch(plan)) for plan in plans)
        else:
            for plan, noise in ahead((plan, self.task.noise(plan)) for plan in plans):
                yield self.machine.feed(Batch(*self.resident.batch(plan), noise))


class Resident:
    """A training split on the device, uint8."""

    def __init__(self, task: Task) -> None:
        self.images = ops.convert_to_tensor(task.data.train.images)
        self.targets = ops.convert_to_tensor(task.targets(task.data.train.labels))
        self.offset, self.scale = (ops.convert_to_tensor(part) for part in normalisation(*task.constants))
        self.padding = task.recipe.augmentation.pad

    def batch(self, plan: BatchPlan) -> tuple[Tensor, Tensor]:
        """Images float32 `(B, H, W, C)` and targets."""
        indices, crops = (ops.convert_to_tensor(part.astype(np.int32)) for part in (plan.indices, plan.crops))
        flips = ops.convert_to_tensor(plan.flips)
        images = apply(self.images, indices, crops, flips, self.padding, self.offset, self.scale)
        return images, ops.take(self.targets, indices, axis=0)


def apply(
    images: Tensor, indices: Tensor, crops: Tensor, flips: Tensor, padding: int, offset: Tensor, scale: Tensor
) -> Tensor:
    """`trainspec.plan.apply` on the device: uint8 `(N, H, W, C)` to float32 `(B, H, W, C)`."""
    samples, height, width, channels = images.shape
    across = ops.arange(width, dtype="int32")
    row = crops[:, :1] - padding + ops.arange(height, dtype="int32")
    column = crops[:, 1:] - padding + ops.where(flips[:, None], ops.flip(across), across)
    row_valid, column_valid = (row >= 0) & (row < height), (column >= 0) & (column < width)
    valid = row_valid[:, :, None] & column_valid[:, None, :]

    flat_row = indices[:, None] * height + ops.clip(row, 0, height - 1)
    pixel = flat_row[:, :, None] * width + ops.clip(column, 0, width - 1)[:, None, :]
    flat = ops.reshape(images, (samples * height * width, channels))
    batch = (ops.cast(ops.take(flat, pixel, axis=0), "float32") - offset) * scale
    return ops.where(valid[..., None], batch, 0.0)
