"""Both trainers' updates against the update written out in NumPy, over steps with a changing rate, in float64."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from netspec import Graph, functional as f, initial_weights, trace
from netspec.compare import tensor_difference
from netspec.init import Weights
from netspec.layout import to_channels_last
from training_sides import framework
from trainspec.optim import StepSettings, settings, step_settings
from trainspec.optimizers import AnyOptimizer
from trainspec.recipes import SGD, ParameterTable, Recipe
from trainspec.schedules import Constant, Place

RATES = (0.1, 0.3, 0.3, 0.02, 0.007)
STEPS_PER_EPOCH = 2
TABLES = (
    ParameterTable("conv.*", rate_factor=0.5, decay_factor=3.0),
    ParameterTable("*.bn.*", rate_factor=2.0, until=0.5),  # the first step
    ParameterTable("fc.weight", freeze=True),
    ParameterTable("fc.*", freeze=False, until=1.0),
    ParameterTable("conv.weight", freeze=True, until=1.5),
)
RECIPES = {
    "nesterov": Recipe(optimizer=SGD(momentum=0.9, nesterov=True, weight_decay=5e-2)),
    "heavy ball": Recipe(optimizer=SGD(momentum=0.8, nesterov=False, weight_decay=5e-2)),
    "all decayed": Recipe(optimizer=SGD(momentum=0.9, nesterov=True, weight_decay=5e-2, decay_norms_and_biases=True)),
    "plain": Recipe(optimizer=SGD(momentum=0.0, nesterov=True, weight_decay=0.0)),
    "tables": Recipe(optimizer=SGD(weight_decay=5e-2, decay_norms_and_biases=True), parameters=TABLES),
}
FROZEN = {"fc.weight": {2, 3, 4}, "conv.weight": {0, 1, 2}}  # parameter -> steps, written out from `TABLES`
RATE_FACTORS = {"conv.weight": [0.5] * 5, "conv.bias": [0.5] * 5, "conv.bn.weight": [2.0, 0.5, 0.5, 0.5, 0.5]}
RATE_FACTORS["conv.bn.bias"] = RATE_FACTORS["conv.bn.weight"]


def network() -> Graph:
    return trace(
        "small", (3, 4, 4), lambda x: f.linear(f.flatten(f.conv_bn(x, 5, 3, bias=True, name="conv")), 4, name="fc")
    )


def gradients(graph: Graph, step: int) -> Weights:
    """Given gradients, so that nothing but the update is tested."""
    generator = np.random.default_rng(step)
    return {name: generator.standard_normal(p.shape) for name, p in graph.params.items() if p.trainable}


def by_numpy(graph: Graph, weights: Weights, recipe: Recipe) -> Weights:
    """The update as DESIGN.md has it."""
    optimizer, tables = recipe.optimizer, bool(recipe.parameters)
    values = {name: weights[name].astype(np.float64) for name in gradients(graph, 0)}
    buffers = {name: np.zeros_like(value) for name, value in values.items()}
    for step, rate in enumerate(RATES):
        for name, gradient in gradients(graph, step).items():
            if tables and step in FROZEN.get(name, ()):
                continue
            decay = optimizer.weight_decay if name.endswith("weight") and ".bn." not in name else 0.0
            decay = optimizer.weight_decay if optimizer.decay_norms_and_biases else decay
            decay *= 3.0 if tables and name.startswith("conv") else 1.0
            factor = RATE_FACTORS[name][step] if tables and name in RATE_FACTORS else 1.0
            g = gradient + decay * values[name]
            buffers[name] = optimizer.momentum * buffers[name] + g
            update = g + optimizer.momentum * buffers[name] if optimizer.nesterov else buffers[name]
            values[name] = values[name] - rate * factor * update
    return values


def settings_of(graph: Graph, recipe: Recipe) -> Iterator[StepSettings]:
    """The settings of each step; the rates are given."""
    groups = settings(graph, recipe)
    for step, rate in enumerate(RATES):
        yield step_settings(replace(recipe, schedule=Constant(rate)), groups, Place(step, 5, STEPS_PER_EPOCH))


def by_torch(graph: Graph, weights: Weights, recipe: Recipe) -> Weights:
    import torch

    trainer = made("torch", graph, weights, recipe)
    for step, now in enumerate(settings_of(graph, recipe)):
        given = gradients(graph, step)
        laid_out = [
            torch.empty_like(parameter).copy_(torch.from_numpy(given[name]))  # the fused update takes equal strides
            for name, parameter in trainer.model.named_parameters()
        ]
        trainer.update(laid_out, now)
    return trainer.weights()


def by_keras(graph: Graph, weights: Weights, recipe: Recipe) -> Weights:
    trainer = made("keras", graph, weights, recipe)
    from keras import ops

    from keras_impl.weights import LAYOUTS, variables

    names = {id(variable): (name, LAYOUTS[len(param.shape)]) for name, param, variable in variables(trainer.model)}
    places = [names[id(variable)] for variable in trainer.model.trainable_variables]
    for step, now in enumerate(settings_of(graph, recipe)):
        given = gradients(graph, step)
        laid_out = [ops.convert_to_tensor(to_channels_last(given[name], layout)) for name, layout in places]
        trainer.update(laid_out, now)
    return trainer.weights()


def made(name: str, graph: Graph, weights: Weights, recipe: Recipe) -> Any:
    """The shipped trainer."""
    one = framework(name)
    return one.trainer(graph, weights, recipe, one.choose_device("fp64", None))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("implementation", [by_torch, by_keras])
def test_update(implementation: Callable[[Graph, Weights, Recipe], Weights], recipe: Recipe) -> None:
    graph = network()
    weights = initial_weights(graph, seed=3)
    expected = by_numpy(graph, weights, recipe)
    found = {name: array for name, array in implementation(graph, weights, recipe).items() if name in expected}
    difference = tensor_difference(expected, found)
    assert difference.within, str(difference)


@pytest.mark.parametrize("framework_name", ["torch", "keras"])
def test_every_optimizer_has_its_handler(framework_name: str) -> None:
    framework(framework_name)
    handlers = importlib.import_module(f"{framework_name}_impl.optim").HANDLERS
    kinds = [optimizer.kind for optimizer in (get_args(AnyOptimizer) or (AnyOptimizer,))]
    assert list(handlers) == kinds
