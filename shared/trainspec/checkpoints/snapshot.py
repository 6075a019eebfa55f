"""What a checkpoint holds of a training, and how a training goes on from one."""

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diptych.errors import DataError, DiptychError, RecipeError
from netspec import Graph
from trainspec.checkpoints.file import Checkpoint, CheckpointError, name_of, steps_in, verified
from trainspec.checkpoints.keeper import Kept
from trainspec.recipes import Recipe
from trainspec.runs import EpochMetrics
from trainspec.sections import flat, to_table
from trainspec.state import TrainState
from trainspec.task import Task
from trainspec.trainer import LOWER_RATE, TrainingError

if TYPE_CHECKING:
    from trainspec.training import Training

CHANGEABLE = ("epochs", "checkpoint.every", "checkpoint.keep")  # what a resumed training may have otherwise


def snapshot(training: "Training") -> Checkpoint:
    """A training as it is now.

    Raises `TrainingError` where a tensor has a value that is not finite, since nothing good can come after it.
    """
    task, state, run = training.task, training.state, training.run
    tensors = training.trainer.state()
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise TrainingError(
                f"'{name}' became NaN or infinite by step {state.step} (epoch {state.epoch + 1}, "
                f"rate {state.rate:.3g}); {LOWER_RATE}"
            )
    content = {
        "framework": run.facts["framework"],
        "task": identity(task, state.epoch),
        "state": state.to_json(),
        "pace": training.pace.to_json(),
        "checkpoints": training.keeper.to_json(),
        "top1": training.top1,
        "first_losses": [float(loss) for loss in training.watch.first_losses],
        "metrics": [asdict(epoch) for epoch in run.metrics],
        "facts": deepcopy(run.facts),
    }
    return Checkpoint(state.step, tensors, content)


def write_snapshot(training: "Training") -> None:
    """Write a checkpoint of a training as it is now. Its time does not count as training. Raises `StorageError`."""
    with training.watch.pausing(training.state):
        training.keeper.write(snapshot(training))


def restore(training: "Training", checkpoint: Checkpoint) -> None:
    """Put a training where `checkpoint` was taken. Raises `CheckpointError` where its tensors are not the trainer's."""
    content, trainer = checkpoint.content, training.trainer
    own, found = (
        {name: array.shape for name, array in state.items()} for state in (trainer.state(), checkpoint.tensors)
    )
    if own != found:
        name = next(name for name in {**own, **found} if own.get(name) != found.get(name))
        raise CheckpointError(f"{training.run.folder}: '{name}' in its checkpoint is not what this training needs")
    trainer.restore(checkpoint.tensors)
    training.state = TrainState.from_json(content["state"])
    training.pace.go_on(training.state, content["pace"])
    training.watch.go_on(checkpoint.step, content["first_losses"])
    training.watch.begin_epoch(training.state, training.task.plan(training.state.epoch))
    written = content.get("checkpoints", {})  # an older version did not count them
    training.keeper.go_on(checkpoint.step, kept_in(training.keeper.folder), **written)


def metrics_in(content: Mapping[str, Any]) -> list[EpochMetrics]:
    """The figures of the epochs before a checkpoint with this `content`."""
    return [EpochMetrics(**epoch) for epoch in content["metrics"]]


def kept_in(folder: Path) -> Iterable[Kept]:
    """The good checkpoints in `folder`. Those that are damaged were named when the newest was looked for."""
    for step in steps_in(folder):
        try:
            yield Kept(step, verified(folder, step)["top1"])
        except DiptychError:
            continue


def best_of(steps: Container[int], content: Mapping[str, Any]) -> int | None:
    """Which of `steps` had the best weights on the held-out images, by the figures in a checkpoint with this `content`.

    The first of equals, as the keeper chooses; None where no such step was validated.
    """
    top1 = {one.step: one.val_top1 for one in metrics_in(content) if one.val_top1 is not None and one.step in steps}
    return max(top1, key=top1.__getitem__, default=None)


def identity(task: Task, epoch: int) -> dict[str, Any]:
    """What must be the same in a training that goes on in epoch `epoch`, as plain JSON."""
    return {
        "graph": graph_digest(task.graph),
        "recipe": fixed_values(task.recipe),
        "data": task.data_digest,
        "plan": task.plan(epoch).digest,
    }


def graph_digest(graph: Graph) -> str:
    """SHA-256 of all that decides a training of the network: other than `Graph.digest` also of sizes and noise."""
    return hashlib.sha256(graph.to_json().encode()).hexdigest()


def fixed_values(recipe: Recipe) -> dict[str, Any]:
    """The values of a recipe that a resumed training cannot change, by `section.key`, as plain JSON.

    The name of the data is not among them: a folder may be moved, and its images are compared.
    """
    values: dict[str, Any] = json.loads(json.dumps(flat(to_table(recipe))))
    return {key: value for key, value in values.items() if key not in (*CHANGEABLE, "data.name")}


def check_same(task: Task, checkpoint: Checkpoint, folder: Path) -> None:
    """Raise a `DiptychError`, which says what differs, unless `task` is the one of a checkpoint of the run `folder`."""
    then, epoch = checkpoint.content["task"], checkpoint.content["state"]["epoch"]
    check_recipe(then["recipe"], task.recipe, folder)
    check_network(task.graph, checkpoint, folder)
    if then["data"] != task.data_digest:
        raise DataError(
            f"{folder}: the images or labels of {task.data.label} have changed since the run began; train again"
        )
    if then["plan"] != task.plan(epoch).digest:
        raise CheckpointError(
            f"{folder}: this version of Diptych draws other batches for epoch {epoch + 1}; resume with the version "
            "in run.json"
        )


def check_network(graph: Graph, checkpoint: Checkpoint, folder: Path) -> None:
    """Raise `CheckpointError` unless `graph` is the one of a checkpoint of the run `folder`."""
    if checkpoint.content["task"]["graph"] != graph_digest(graph):
        raise CheckpointError(f"{folder}: graph.json is not the network of {name_of(checkpoint.step)}; it was changed")


def check_recipe(recorded: Mapping[str, Any], recipe: Recipe, folder: Path) -> None:
    """Raise `RecipeError` for the first value of `recipe` that is not the `recorded` one."""
    now = fixed_values(recipe)
    for key in {**recorded, **now}:
        if recorded.get(key) != now.get(key):
            raise RecipeError(
                f"{folder}: {key} is {recorded.get(key)!r} in the run, but {now.get(key)!r} is asked; "
                "a resumed run keeps its recipe; epochs, budget, threads and checkpoint can be changed"
            )
