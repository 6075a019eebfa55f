"""Trainings of six steps in float64 that are cut in the middle, for every optimizer."""

from pathlib import Path
from typing import get_args

from netspec.init import Weights
from parity.noise_task import RECIPE
from trainspec.checkpoints.file import Checkpoint, load, save
from trainspec.optimizers import AnyOptimizer
from trainspec.recipes import Recipe, override
from trainspec.state import TrainState
from trainspec.task import Task
from trainspec.trainer import Trainer
from trainspec.training import steps_of
from tricks import EXTRA

HALF = 3  # steps; an epoch has two
AVERAGES = {  # beside an optimizer
    "sgd": {"average.kind": "lookahead", "average.every": 2},
    "rmsprop": {"average.kind": "ema", "average.decay": 0.7},
}
OPTIMIZERS = get_args(AnyOptimizer)


def recipe_of(optimizer: str) -> Recipe:
    name = f"optimizer.{optimizer}"
    values = {"epochs": 3, "schedule.milestones": [1.0, 2.0], "optimizer.kind": optimizer}
    return override(RECIPE, values | EXTRA.get(name, {}) | AVERAGES.get(optimizer, {}))


def stepped(trainer: Trainer, task: Task, state: TrainState) -> Weights:
    """The trainer's state after `HALF` steps from the position `state`, which is moved on."""
    for _ in zip(range(HALF), steps_of(task, trainer, state), strict=False):
        pass
    return trainer.state()


def through_a_file(tensors: Weights, state: TrainState, folder: Path) -> Checkpoint:
    save(folder, Checkpoint(state.step, tensors, {"state": state.to_json()}))
    return load(folder, state.step)
