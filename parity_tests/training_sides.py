"""Small tasks, trained in float64 by the trainers that users train with."""

from collections.abc import Iterator
from importlib import import_module
from itertools import zip_longest
from typing import Any

import numpy as np

from netspec.compare import Difference, tensor_difference
from netspec.init import Weights
from netspec.layout import from_channels_last
from trainspec.batches import batches_of
from trainspec.optim import step_settings
from trainspec.schedules import Place
from trainspec.task import Task
from trainspec.trainer import Framework, Trainer
from trainspec.training import steps_of

STEPS = 3  # of two in an epoch: the rate changes with the epoch


def framework(name: str) -> Framework:
    """Loaded, as the package's own commands load it."""
    found: Framework = import_module(f"{name}_impl.commands").load()
    return found


def trainer_of(name: str, task: Task) -> Trainer:
    """The shipped one, in the recipe's precision."""
    one = framework(name)
    device = one.choose_device(task.recipe.precision, 1 if name == "torch" else None).repeating(None)
    return one.trainer(task.graph, task.weights, task.recipe, device)


def trained(name: str, task: Task, steps: int = STEPS) -> Weights:
    """The trainer's state after the first `steps` steps."""
    trainer = trainer_of(name, task)
    for _ in zip(range(steps), steps_of(task, trainer), strict=False):
        pass
    return trainer.state()


def by_kind(state: Weights, task: Task) -> dict[str, Weights]:
    """A trainer's state in parts: `update`, the weights and statistics; every slot of the optimizer; the average."""
    kinds: dict[str, Weights] = {"update": {name: state[name] for name in task.weights}}
    for name, values in state.items():
        if name not in task.weights:
            kinds.setdefault(name.partition(".")[0], {})[name] = values
    return kinds


def state_difference(one: Weights, other: Weights, task: Task) -> Difference:
    """The largest difference of two states; each kind is measured by its own largest value."""
    assert one.keys() == other.keys()
    sides = by_kind(one, task), by_kind(other, task)
    found = [tensor_difference(sides[0][kind], sides[1][kind]) for kind in sides[0]]
    return max(found, key=lambda difference: difference.value if difference.value == difference.value else np.inf)


def canonical(name: str, tensor: Any) -> np.ndarray:
    """What a framework is fed, float64: maps as `(B, C, H, W)`."""
    array = np.asarray(tensor, np.float64)
    return from_channels_last(array, "map") if name == "keras" and array.ndim == 4 else array


def stages_of(name: str, task: Task) -> Iterator[dict[str, Weights]]:
    """The stages of every step, in their order, as canonical arrays; the shipped trainer's, one by one."""
    trainer = trainer_of(name, task)
    batches, step = batches_of(task, trainer), 0
    statistics = {key for key, param in task.graph.params.items() if not param.trainable}
    total = task.recipe.steps(task.steps_per_epoch)
    for epoch in range(-(-total // task.steps_per_epoch)):
        for batch in batches(task.plan(epoch).batches(task.batch_size, drop_last=True)):
            place = Place(step, total, task.steps_per_epoch)
            now = step_settings(task.recipe, task.groups, place)
            done, gradients = trainer.backward(batch)
            stages = {
                "images": {"images": canonical(name, batch.images)},
                "targets": {"targets": canonical(name, batch.targets)},
                "noise": {key: canonical(name, mask) for key, mask in batch.noise.items()},
                "loss": {"loss": np.float64(done.loss)[None], "correct": np.float64(done.correct)[None]},
                "gradients": dict(trainer.canonical(gradients)),
                "statistics": {key: tensor for key, tensor in trainer.weights().items() if key in statistics},
            }
            trainer.update(gradients, now)
            yield {stage: tensors for stage, tensors in stages.items() if tensors} | by_kind(trainer.state(), task)
            step += 1


def first_apart(task: Task) -> str | None:
    """The first step and the first of its stages at which the two frameworks differ, and by how much."""
    sides = [stages_of(name, task) for name in ("torch", "keras")]
    for number, (one, other) in enumerate(zip_longest(*sides), 1):
        if one is None or other is None:
            return f"step {number}, batch: only one of the two has it"
        for stage in one | other:
            difference = tensor_difference(one.get(stage, {}), other.get(stage, {}))
            if not difference.within:
                return f"step {number}, {stage}: {difference}"
    return None
