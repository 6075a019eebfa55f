"""Ten training steps of every trick in float64, by the shipped trainers: the same weights, slots and averages."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pytest

from netspec.init import Weights
from parity.memory import release
from parity.noise_task import noise_task
from training_sides import state_difference, trainer_of
from trainspec.recipes import Recipe
from trainspec.schedules import Constant, Place
from trainspec.task import Task
from trainspec.trainer import Trainer
from trainspec.training import steps_of
from tricks import BASE, COMBINATIONS, STEPS, TRICKS, Trick


@pytest.fixture(scope="module", autouse=True)
def _memory() -> Iterator[None]:
    yield
    built.cache_clear()
    trained_without.cache_clear()
    release()


def base_of(trick: Trick) -> Trick:
    """The trick's network, trained without the trick."""
    return Trick(options=trick.options, network=trick.network)


def trainer_recipe(recipe: Recipe) -> Recipe:
    """The base recipe with what a trainer is made of. A trainer serves all recipes of which this is the same."""
    parts = {key: getattr(recipe, key) for key in ("optimizer", "average", "accumulate", "parameters")}
    return replace(BASE, **parts)


@lru_cache(maxsize=3)  # of both frameworks, and PyTorch's without the trick: a process would keep those of all groups
def built(framework: str, base: Trick, recipe: Recipe) -> tuple[Trainer, Weights]:
    """A trainer and its first state."""
    trainer = trainer_of(framework, noise_task(base.graph, recipe))
    return trainer, trainer.state()


def trained(framework: str, trick: Trick, task: Task) -> Weights:
    """The state after ten steps."""
    trainer, first = built(framework, base_of(trick), trainer_recipe(task.recipe))
    average = {f"average.{name}": tensor for name, tensor in task.weights.items() if task.recipe.average}
    trainer.restore(first | task.weights | average)
    assert len(list(steps_of(task, trainer))) == STEPS
    return trainer.state()


@cache
def trained_without(base: Trick, recipe: Recipe) -> Weights:
    """The state without any trick."""
    return trained("torch", base, noise_task(base.graph, recipe))


def check(trick: Trick, seed: int = 0) -> None:
    """Both frameworks agree in everything, and the trick changes the training."""
    graph = trick.graph
    own = all(f'"{value}"' in graph.to_json() for value in trick.options.values())  # the name of the network's default
    assert own or [node.op for node in graph] != [node.op for node in trick.network()], "the network ignores it"
    task = noise_task(graph, replace(trick.recipe, seed=seed))
    sides = [trained(name, trick, task) for name in ("torch", "keras")]
    difference = state_difference(*sides, task)
    print(f"{difference}")
    assert difference.within, f"{difference}"
    rates = {task.recipe.schedule.rate(Place(step, STEPS, task.steps_per_epoch)) for step in range(STEPS)}
    assert len(rates) > 1 or isinstance(task.recipe.schedule, Constant)
    plain = replace(trick.without, seed=seed)
    if replace(task.recipe, network=plain.network) != plain:  # one that is of the network alone was judged above
        without = trained_without(base_of(trick), plain)
        result = {key: sides[0].get(f"average.{key}", sides[0][key]) for key in task.weights}
        assert any(not np.array_equal(without[key], result[key]) for key in task.weights), "it changes nothing"


def in_groups(tricks: Mapping[str, Trick]) -> Iterator[Any]:
    """The names. Those with the same trainer go to the same process, which builds each trainer once."""
    trainers: dict[tuple[Trick, Recipe], int] = {}
    for name, trick in tricks.items():
        group = trainers.setdefault((base_of(trick), trainer_recipe(trick.recipe)), len(trainers))
        yield pytest.param(name, marks=pytest.mark.xdist_group(f"tricks {group}"))


@pytest.mark.parametrize("name", list(in_groups(TRICKS)))
def test_ten_steps(name: str) -> None:
    check(TRICKS[name])


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", list(in_groups(COMBINATIONS)))
def test_combinations(name: str, seed: int) -> None:
    check(COMBINATIONS[name].in_full, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", list(in_groups(TRICKS)))
def test_the_whole_network(name: str, seed: int) -> None:
    check(TRICKS[name].in_full, seed)
