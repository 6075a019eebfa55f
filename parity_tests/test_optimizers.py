"""Both trainers' updates against the update written out in NumPy, over steps with a changing rate, in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netspec import Graph, functional as f, initial_weights, trace
from netspec.compare import tensor_difference
from netspec.init import Weights
from netspec.layout import to_channels_last
from training_sides import framework
from trainspec.optim import StepSettings
from trainspec.recipes import Optimizer, Recipe

RATES = (0.1, 0.3, 0.3, 0.02, 0.007)
RECIPES = {
    "nesterov": Optimizer(momentum=0.9, nesterov=True, weight_decay=5e-2),
    "heavy ball": Optimizer(momentum=0.8, nesterov=False, weight_decay=5e-2),
    "all decayed": Optimizer(momentum=0.9, nesterov=True, weight_decay=5e-2, decay_norms_and_biases=True),
    "plain": Optimizer(momentum=0.0, nesterov=True, weight_decay=0.0),
}


def network() -> Graph:
    return trace(
        "small", (3, 4, 4), lambda x: f.linear(f.flatten(f.conv_bn(x, 5, 3, bias=True, name="conv")), 4, name="fc")
    )


def gradients(graph: Graph, step: int) -> Weights:
    """Given gradients, so that nothing but the update is tested."""
    generator = np.random.default_rng(step)
    return {name: generator.standard_normal(p.shape) for name, p in graph.params.items() if p.trainable}


def by_numpy(graph: Graph, weights: Weights, recipe: Optimizer) -> Weights:
    """The update as DESIGN.md has it."""
    values = {name: weights[name].astype(np.float64) for name in gradients(graph, 0)}
    buffers = {name: np.zeros_like(value) for name, value in values.items()}
    for step, rate in enumerate(RATES):
        for name, gradient in gradients(graph, step).items():
            decayed = name in ("conv.weight", "fc.weight") or recipe.decay_norms_and_biases
            g = gradient + (recipe.weight_decay if decayed else 0) * values[name]
            buffers[name] = recipe.momentum * buffers[name] + g
            values[name] = values[name] - rate * (
                g + recipe.momentum * buffers[name] if recipe.nesterov else buffers[name]
            )
    return values


def by_torch(graph: Graph, weights: Weights, recipe: Optimizer) -> Weights:
    import torch

    trainer = made("torch", graph, weights, recipe)
    for step, rate in enumerate(RATES):
        given = gradients(graph, step)
        laid_out = [
            torch.empty_like(parameter).copy_(torch.from_numpy(given[name]))  # the fused update takes equal strides
            for name, parameter in trainer.model.named_parameters()
        ]
        trainer.update(laid_out, StepSettings(rate))
    return trainer.weights()


def by_keras(graph: Graph, weights: Weights, recipe: Optimizer) -> Weights:
    trainer = made("keras", graph, weights, recipe)
    from keras import ops

    from keras_impl.weights import LAYOUTS, variables

    names = {id(variable): (name, LAYOUTS[len(param.shape)]) for name, param, variable in variables(trainer.model)}
    places = [names[id(variable)] for variable in trainer.model.trainable_variables]
    for step, rate in enumerate(RATES):
        given = gradients(graph, step)
        laid_out = [ops.convert_to_tensor(to_channels_last(given[name], layout)) for name, layout in places]
        trainer.update(laid_out, StepSettings(rate))
    return trainer.weights()


def made(name: str, graph: Graph, weights: Weights, recipe: Optimizer) -> Any:
    """The shipped trainer."""
    one = framework(name)
    return one.trainer(graph, weights, Recipe(optimizer=recipe), one.choose_machine("fp64", None))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("implementation", [by_torch, by_keras])
def test_update(implementation: Callable[[Graph, Weights, Optimizer], Weights], recipe: Optimizer) -> None:
    graph = network()
    weights = initial_weights(graph, seed=3)
    expected = by_numpy(graph, weights, recipe)
    found = {name: array for name, array in implementation(graph, weights, recipe).items() if name in expected}
    difference = tensor_difference(expected, found)
    assert difference.within, str(difference)
