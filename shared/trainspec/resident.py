"""Training images that stay on a device, and the batches made of them there."""

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from trainspec.augment import Draws, Transform
from trainspec.plan import BatchPlan, ImageSource, normalisation
from trainspec.task import Task


class Resident(ImageSource):
    """The training images of a task on a device, uint8. The batches are as `trainspec.plan.apply` makes them.

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
        super().__init__(task.recipe.augmentation.transforms)
        self.placed, self.handlers, self._taken = placed, handlers, taken
        self.images = placed(task.data.train.array())
        self.offset, self.scale = map(placed, normalisation(*task.constants))

    def taken(self, plan: BatchPlan) -> Any:
        return self._taken(self.images, self.placed(plan.indices))

    def normalised(self, images: Any) -> Any:
        return (images - self.offset) * self.scale

    def transformed(self, transform: Transform, images: Any, draws: Draws, others: Mapping[str, Any]) -> Any:
        on_device = {name: self.placed(array) for name, array in draws.items()}
        return self.handlers[transform.kind](transform, images, {**on_device, **others})
