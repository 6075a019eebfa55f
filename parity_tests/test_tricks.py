"""Ten training steps of every trick in float64, by the shipped trainers: the same weights, slots and averages."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from netspec.init import Weights
from parity.memory import release
from training_sides import state_difference, task_of, trainer_of
from trainspec.recipes import Recipe
from trainspec.schedules import Constant, Place
from trainspec.task import Task
from trainspec.trainer import Trainer
from trainspec.training import steps_of
from tricks import BASE, COMBINATIONS, STEPS, TRICKS, Trick

pytestmark = pytest.mark.xdist_group("tricks")  # one process, which builds each trainer once


@pytest.fixture(scope="module", autouse=True)
def _memory() -> Iterator[None]:
    yield
    built.cache_clear()
    release()


@cache
def built(framework: str, trick: Trick, recipe: Recipe) -> tuple[Trainer, Weights]:
    """A trainer and its first state. It serves all recipes with the same optimizer, parts and average."""
    trainer = trainer_of(framework, task_of(trick.graph, recipe))
    return trainer, trainer.state()


def trained(framework: str, trick: Trick, task: Task) -> Weights:
    """The state after ten steps."""
    recipe = task.recipe
    parts = {key: getattr(recipe, key) for key in ("optimizer", "average", "accumulate", "parameters")}
    trainer, first = built(framework, Trick(options=trick.options, network=trick.network), replace(BASE, **parts))
    average = {f"average.{name}": tensor for name, tensor in task.weights.items() if recipe.average}
    trainer.restore(first | task.weights | average)
    assert len(list(steps_of(task, trainer))) == STEPS
    return trainer.state()


def check(trick: Trick, seed: int = 0) -> None:
    """Both frameworks agree in everything, and the trick changes the training."""
    task = task_of(trick.graph, replace(trick.recipe, seed=seed))
    sides = [trained(name, trick, task) for name in ("torch", "keras")]
    difference = state_difference(*sides, task)
    print(f"{difference}")
    assert difference.within, f"{difference}"
    rates = {task.recipe.schedule.rate(Place(step, STEPS, task.steps_per_epoch)) for step in range(STEPS)}
    assert len(rates) > 1 or isinstance(task.recipe.schedule, Constant)
    if task.recipe != replace(BASE, seed=seed):
        base = Trick(options=trick.options, network=trick.network)
        without = trained("torch", base, task_of(base.graph, replace(BASE, seed=seed)))
        result = {key: sides[0].get(f"average.{key}", sides[0][key]) for key in task.weights}
        assert any(not np.array_equal(without[key], result[key]) for key in task.weights), "it changes nothing"


@pytest.mark.parametrize("name", TRICKS)
def test_ten_steps(name: str) -> None:
    check(TRICKS[name])


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", COMBINATIONS)
def test_combinations(name: str, seed: int) -> None:
    check(COMBINATIONS[name], seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", TRICKS)
def test_other_seeds(name: str, seed: int) -> None:
    check(TRICKS[name], seed)
