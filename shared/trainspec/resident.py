"""Training images that stay on a device, and the batches made of them there."""

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from trainspec.plan import BatchPlan, normalisation
from trainspec.task import Task


class Resident:
    """The training images of a task on a device, uint8.

    `placed` puts an array on the device. `taken` takes images by their indices, as float32. `handlers` are the
    framework's transforms, by kind.
    """

    def __init__(
        self,
        task: Task,
        placed: Callable[[NDArray[Any]], Any],
        taken: Callable[[Any, Any], Any],
        handlers: Mapping[str, Callable[..., Any]],
    ) -> None:
        self.placed, self.taken, self.handlers = placed, taken, handlers
        self.transforms = task.recipe.augmentation.transforms
        self.images = placed(task.data.train.images)
        self.offset, self.scale = map(placed, normalisation(*task.constants))

    def batch(self, plan: BatchPlan) -> Any:
        """The images of a batch, as `trainspec.plan.apply` makes them: float32 `(B, H, W, C)`."""
        images = (self.taken(self.images, self.placed(plan.indices)) - self.offset) * self.scale
        for transform in self.transforms:
            draws = {name: self.placed(array) for name, array in plan.draws[transform.kind].items()}
            images = self.handlers[transform.kind](transform, images, draws)
        return images
