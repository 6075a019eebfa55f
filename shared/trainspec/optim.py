"""What a step of a training does, worked out from its recipe and its place: trainers only apply it."""

from dataclasses import dataclass

from trainspec.recipes import Recipe
from trainspec.schedules import learning_rate


@dataclass(frozen=True)
class StepSettings:
    """What a step takes beside its batch. `rate`: the learning rate."""

    rate: float


def step_settings(recipe: Recipe, step: int, total_steps: int, steps_per_epoch: int) -> StepSettings:
    """The settings of step `step`, from 0, of a training of `total_steps`."""
    return StepSettings(learning_rate(recipe.schedule, step, total_steps, steps_per_epoch))
