"""The batches of an epoch, made where it is fastest.

On a CPU NumPy makes them, in the background, while the network works on those before. On a GPU all training images lie
on the device and are changed there; targets and noise come from NumPy, made ahead too. A transform that has no handlers
on the device sends the images of its recipe back to NumPy.
"""

from collections.abc import Callable, Generator, Iterable

from trainspec.plan import Batch, BatchPlan, ahead
from trainspec.task import Task
from trainspec.trainer import Trainer

Batches = Callable[[Iterable[BatchPlan]], Generator[Batch, None, None]]


def batches_of(task: Task, trainer: Trainer) -> Batches:
    """What makes the batches of plans, in order and placed."""
    resident = None if task.recipe.augmentation.host_only else trainer.resident(task)

    def by_numpy(plans: Iterable[BatchPlan]) -> Generator[Batch, None, None]:
        yield from ahead(trainer.place(task.batch(plan)) for plan in plans)

    def on_the_device(plans: Iterable[BatchPlan]) -> Generator[Batch, None, None]:
        assert resident is not None
        for plan, targets, noise in ahead((plan, task.targets(plan), task.noise(plan)) for plan in plans):
            yield trainer.place(Batch(resident.batch(plan), targets, noise))

    return by_numpy if resident is None else on_the_device


def host_notes(task: Task) -> tuple[str, ...]:
    """What a reader of the run should know about where its batches are made."""
    kinds = ", ".join(transform.kind for transform in task.recipe.augmentation.host_only)
    return (f"{kinds}: the images of each batch are made on the CPU, on a GPU too.",) if kinds else ()
