"""Three steps of the shipped trainers in float64, across the end of an epoch and a change of the rate.

Every weight and every statistic of both frameworks is compared by name; the batches are cropped and mirrored, the
targets smoothed, dropout, stochastic depth and ShakeDrop drawn in the plan.
"""

from dataclasses import replace

import numpy as np
import pytest

from family_networks import ONE_OF_A_FAMILY, is_shallow
from netspec import Graph, architecture, explicit_noise, find, functional as f, trace
from netspec.reduce import reduced
from netspec.tracer import Heads, Tensor
from parity.memory import release
from parity.noise_task import RECIPE, noise_task
from training_sides import first_apart, state_difference, trained
from trainspec.noise import draw_masks
from trainspec.recipes import SGD, Recipe

NOISE = {"dropout": 0.4, "stochastic_depth": 0.6, "shakedrop": 0.5}  # of the networks that have them
HEAVY_BALL = SGD(momentum=0.8, nesterov=False, weight_decay=1e-2, decay_norms_and_biases=True)


def with_noise(name: str) -> Graph:
    """The reduced network with its noise turned on."""
    options = find(name).options
    return reduced(name, num_classes=10, **{key: value for key, value in NOISE.items() if key in options})


def headed() -> Graph:
    """A network with two auxiliary heads, one of them with dropout."""

    def network(x: Tensor) -> Heads:
        heads = {}
        for i, weight in enumerate((0.3, 0.5), 1):
            x = f.max_pool(f.conv_bn(x, 8 * i, 3, name=f"conv{i}"), 2)
            heads[f.linear(f.dropout(f.flatten(x), 0.5 * (i - 1)), 10, name=f"aux{i}.fc")] = weight
        return {f.classify(f.conv_bn(x, 24, 3, name="conv3"), 10): 1.0, **heads}

    return trace("headed", (3, 12, 12), network)


def hold(graph: Graph, recipe: Recipe = RECIPE) -> None:
    """Both frameworks' weights after the steps, to the limit of float64."""
    task = noise_task(graph, recipe)
    sides = []
    for name in ("torch", "keras"):
        sides.append(trained(name, task))
        release()
    difference = state_difference(*sides, task)
    assert difference.within, f"{graph.name}: {difference}"
    moved = [key for key in task.weights if not np.array_equal(sides[0][key], task.weights[key])]
    assert moved == list(task.weights), "a tensor that no step moved is not compared"
    masks = [draw_masks(explicit_noise(graph), plan) for plan in task.plan(0).batches(task.batch_size)]
    assert all(0 < mask.mean() < 1 for drawn in masks for mask in drawn.values() if mask.size > 50)
    assert not masks[0] or any((mask == 0).any() for drawn in masks for mask in drawn.values())


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, marks=() if is_shallow(reduced(name)) else pytest.mark.long)
        for family, name in ONE_OF_A_FAMILY.items()
    ],
)
def test_every_family(family: str) -> None:
    hold(with_noise(ONE_OF_A_FAMILY[family]))


def test_auxiliary_heads() -> None:
    hold(headed())


@pytest.mark.long
def test_googlenet_with_its_heads() -> None:
    hold(reduced("googlenet", num_classes=10, aux_heads=True))


def test_heavy_ball_with_everything_decayed() -> None:
    hold(architecture("lenet5"), replace(RECIPE, optimizer=HEAVY_BALL))


@pytest.mark.parametrize("seed", [0, 5_000_000_000, 2**63 - 1])
def test_every_seed_is_taken(seed: int) -> None:
    """Those of a recipe are below 2**63; a framework's own generators take fewer, and are not asked."""
    graph = trace("small", (3, 8, 8), lambda x: f.linear(f.dropout(f.flatten(x), 0.5), 5, name="fc"))
    assert first_apart(noise_task(graph, replace(RECIPE, seed=seed))) is None


def test_families_with_noise_are_there() -> None:
    noisy = [family for family, name in ONE_OF_A_FAMILY.items() if explicit_noise(with_noise(name)).draws]
    assert len(noisy) > 10
