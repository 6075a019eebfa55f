"""Remarks on a training that does not follow its recipe as it is written, one sentence for each value."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netspec.ops import BatchNorm
from trainspec.optim import frozen_norms_of
from trainspec.schedules import Place

if TYPE_CHECKING:
    from trainspec.task import Task

NOTABLE = 0.1  # the share of the images that an epoch leaves out from which on it is said


def remarks(task: "Task") -> Iterator[str]:
    """On a batch that does not divide the images, on first values that a file replaces or should, on norms that are
    frozen in part, on values that change nothing, and on what begins too late.

    With a budget, the number of steps is not known, so what depends on it is not judged.
    """
    recipe, images, batch = task.recipe, len(task.data.train), task.batch_size
    left_out = images - task.steps_per_epoch * batch
    if recipe.batch > images:
        yield f"batch = {recipe.batch}: there are only {images} training images, so a step takes these"
    if left_out > NOTABLE * images:
        yield (
            f"batch = {batch}: an epoch takes only whole batches, so it leaves out {left_out} of the {images} training "
            "images, others each time"
        )
    if task.warm_start and (changes := recipe.initialisation.names):
        keys = ", ".join(f"initialisation.{name}" for name in changes)
        yield f"{keys}: used only for what is drawn anew; all else is from {task.warm_start.path}"
    if task.warm_start is None and (drawn := [f"'{table.match}'" for table in recipe.parameters if table.anew]):
        yield f"parameters.anew of {', '.join(drawn)} has no effect without --weights FILE: all weights are drawn"
    if norms := norms_frozen_in_part(task):
        named = f"{norms[0]}, ..." if len(norms) > 1 else norms[0]
        yield (
            f"parameters: norms that are frozen in some steps only ({named}) use the statistics of the batch in these, "
            "too, and their running ones change"
        )
    yield from recipe.idle()
    if task.budget is None:
        steps = recipe.steps(task.steps_per_epoch)
        yield from recipe.late(Place(steps - 1, steps, task.steps_per_epoch))


def norms_frozen_in_part(task: "Task") -> list[str]:
    """The batch norms with a weight and a bias that are frozen in some steps, but not in all."""
    freezing = {name for group in task.groups if group.freezes for name in group.names}
    norms = (node.name for node in task.graph if isinstance(node.op, BatchNorm))
    always = frozen_norms_of(task.graph, task.groups)
    return [norm for norm in norms if {f"{norm}.weight", f"{norm}.bias"} <= freezing and norm not in always]
