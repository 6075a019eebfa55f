"""Make the batches of an epoch where it is fastest.

On a CPU, NumPy makes them in the background while the network works on earlier ones. On a GPU, all training images are
on the device and are changed there; NumPy makes targets and noise in the background. If a recipe uses a transform
without handlers on the device, NumPy makes its images, too.
"""

from collections.abc import Callable, Generator, Iterable

from trainspec.plan import Batch, BatchPlan, ahead
from trainspec.task import Task
from trainspec.trainer import Trainer

Batches = Callable[[Iterable[BatchPlan]], Generator[Batch, None, None]]


def batches_of(task: Task, trainer: Trainer) -> Batches:
    """The function that makes placed batches from plans, in order."""
    resident = None if task.recipe.augmentation.host_only else trainer.resident(task)
    if resident is None:
        return lambda plans: ahead(trainer.place(task.batch(plan)) for plan in plans)

    def on_the_device(plans: Iterable[BatchPlan]) -> Generator[Batch, None, None]:
        for plan, beside in ahead((plan, task.beside(plan)) for plan in plans):
            yield trainer.place(Batch(resident.batch(plan), *beside))

    return on_the_device


def host_notes(task: Task) -> tuple[str, ...]:
    """Notes for readers of the run about transforms that need the CPU."""
    kinds = ", ".join(transform.kind for transform in task.recipe.augmentation.host_only)
    return (f"{kinds}: the CPU makes the images of each batch, also if a GPU trains.",) if kinds else ()
