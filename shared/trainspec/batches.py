"""Make the batches of an epoch where it is fastest.

On a CPU, NumPy makes them in the background while the network works on earlier ones. On a GPU, all training images are
on the device and are changed there; NumPy makes targets and noise in the background. If a recipe uses a transform
without handlers on the device, or images are read from files, NumPy makes the images, too.
"""

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing

from trainspec.plan import Batch, BatchPlan, ahead
from trainspec.state import TrainState
from trainspec.task import Task
from trainspec.trainer import Trainer

Batches = Callable[[Iterable[BatchPlan]], Generator[Batch, None, None]]


def batches_of(task: Task, trainer: Trainer, state: TrainState | None = None) -> Batches:
    """The function that makes placed batches from plans, in order. `state` gets the time until they are there."""
    made = _batches_of(task, trainer)
    return (lambda plans: _timed(made(plans), state)) if state else made


def _timed(batches: Generator[Batch, None, None], state: TrainState) -> Generator[Batch, None, None]:
    """The same batches. The time until each is there is added to the waiting of `state`."""
    with closing(batches):
        while True:
            begin = time.monotonic()
            batch = next(batches, None)
            state.wait_seconds += time.monotonic() - begin
            if batch is None:
                return
            yield batch


def _batches_of(task: Task, trainer: Trainer) -> Batches:
    resident = None if task.host_only else trainer.resident(task)
    if resident is None:
        return lambda plans: ahead(trainer.place(task.batch(plan)) for plan in plans)

    def on_the_device(plans: Iterable[BatchPlan]) -> Generator[Batch, None, None]:
        for plan, beside in ahead((plan, task.beside(plan)) for plan in plans):
            yield trainer.place(Batch(resident.batch(plan), *beside))

    return on_the_device


def host_notes(task: Task) -> tuple[str, ...]:
    """Notes for readers of the run about transforms that need the CPU."""
    kinds = [transform.kind for transform in task.recipe.augmentation.host_only]
    causes = ", ".join([*kinds, *(["images in files"] if task.data.train.whole else [])])
    return (f"{causes}: the CPU makes the images of each batch, also if a GPU trains.",) if causes else ()
