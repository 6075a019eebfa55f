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
from parity.numpy_update import HANDLERS, changed, orthogonal, updated
from training_sides import framework
from trainspec.optim import UPDATES, StepSettings, settings, slot_names, step_settings
from trainspec.optimizers import SGD, Adam, AdamW, AnyOptimizer, Muon, Optimizer, RMSprop
from trainspec.recipes import ParameterTable, Recipe
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
OPTIMIZERS: dict[str, dict[str, Optimizer]] = {  # kind -> cases
    "sgd": {
        "nesterov": SGD(momentum=0.9, nesterov=True, weight_decay=5e-2),
        "heavy ball": SGD(momentum=0.8, nesterov=False, weight_decay=5e-2),
        "all decayed": SGD(momentum=0.9, nesterov=True, weight_decay=5e-2, decay_norms_and_biases=True),
        "plain": SGD(momentum=0.0, nesterov=True, weight_decay=0.0),
    },
    "adam": {"adam": Adam(weight_decay=5e-2), "other betas": Adam(beta1=0.5, beta2=0.7, epsilon=0.3)},
    "adamw": {"adamw": AdamW(weight_decay=5e-1, decay_norms_and_biases=True)},
    "rmsprop": {"rmsprop": RMSprop(weight_decay=5e-2), "no momentum": RMSprop(momentum=0.0, epsilon=0.2)},
    "muon": {
        "muon": Muon(weight_decay=5e-2),
        "plain muon": Muon(momentum=0.9, nesterov=False, iterations=5, normalise=False, weight_decay=5e-2),
    },
}
RECIPES = {
    f"{name}, {varied}" if varied else name: Recipe(optimizer=replace(optimizer, **more), parameters=tables)
    for cases in OPTIMIZERS.values()
    for number, (name, optimizer) in enumerate(cases.items())
    for varied, more, tables in (
        ("", {}, ()),
        ("clipped", {"clip_norm": 4.0}, ()),
        ("tables", {"decay_norms_and_biases": True, "clip_norm": 4.0}, TABLES),
    )
    if number == 0 or not varied
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
    """The weights and the optimizer's state, as `Trainer.state` names them."""
    optimizer, tables = recipe.optimizer, bool(recipe.parameters)
    values = {name: weights[name].astype(np.float64) for name in gradients(graph, 0)}
    slots = {name: {slot: np.zeros_like(value) for slot in optimizer.slots} for name, value in values.items()}
    numbers = dict.fromkeys(values, 0)
    for step, rate in enumerate(RATES):
        given = gradients(graph, step)
        active = {name: given[name] for name in given if not (tables and step in FROZEN.get(name, ()))}
        norm = np.sqrt(sum((gradient**2).sum() for gradient in active.values()))
        for name, gradient in active.items():
            decay = optimizer.weight_decay if name.endswith("weight") and ".bn." not in name else 0.0
            decay = optimizer.weight_decay if optimizer.decay_norms_and_biases else decay
            decay *= 3.0 if tables and name.startswith("conv") else 1.0
            factor = RATE_FACTORS[name][step] if tables and name in RATE_FACTORS else 1.0
            scale = min(1.0, optimizer.clip_norm / norm) if optimizer.clip_norm else 1.0
            numbers[name] += 1
            what = values[name], scale * gradient, rate * factor, decay, numbers[name], slots[name]
            values[name] = changed(optimizer, *what)
    state = {f"{slot}.{name}": array for name, kept in slots.items() for slot, array in kept.items()}
    counts = {f"updates.{name}": np.float64(number) for name, number in numbers.items()}
    return values | state | (counts if optimizer.counts else {})


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
    return trainer.state()


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
    return trainer.state()


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
    statistics = {name for name, param in graph.params.items() if not param.trainable}
    found = {key: array for key, array in implementation(graph, weights, recipe).items() if key not in statistics}
    assert found.keys() == expected.keys()
    difference = tensor_difference(expected, found)
    assert difference.within, str(difference)


@pytest.mark.parametrize("implementation", [by_torch, by_keras])
def test_muon_takes_a_kernel_of_zeros(implementation: Callable[[Graph, Weights, Recipe], Weights]) -> None:
    """The last convolution of a branch may begin at zero; its norm is zero, too."""
    graph, recipe = network(), Recipe(optimizer=Muon())
    weights = initial_weights(graph, seed=3)
    weights["conv.weight"] = np.zeros_like(weights["conv.weight"])
    expected, found = by_numpy(graph, weights, recipe), implementation(graph, weights, recipe)
    assert np.isfinite(expected["conv.weight"]).all()
    difference = tensor_difference(expected, {name: found[name] for name in expected})
    assert difference.within, str(difference)


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-8, 1e-10, 1e-14])
@pytest.mark.parametrize("implementation", [by_torch, by_keras])
def test_muon_takes_gradients_near_zero(
    implementation: Callable[[Graph, Weights, Recipe], Weights], size: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal gradients give equal updates, however small they are. What differs in a training are the gradients."""
    monkeypatch.setattr(
        "test_optimizers.gradients",
        lambda graph, step, of_one=gradients: {name: size * array for name, array in of_one(graph, step).items()},
    )
    graph, recipe = network(), Recipe(optimizer=Muon())
    weights = initial_weights(graph, seed=3)
    expected, found = by_numpy(graph, weights, recipe), implementation(graph, weights, recipe)
    difference = tensor_difference(expected, {name: found[name] for name in expected})
    assert difference.within, str(difference)


@pytest.mark.parametrize("norm", [1.0, 1e-3, 1e-6, 1e-7, 1e-10, 0.0])
def test_how_far_muon_enlarges_an_error_of_the_gradient(norm: float) -> None:
    """By about `c1**iterations / (norm + epsilon)`. The README says what that means for a training in float64."""
    optimizer, generator = Muon(), np.random.default_rng(2)
    gradient, error = (generator.standard_normal((16, 144)) for _ in range(2))
    gradient *= norm / np.sqrt((gradient**2).sum())
    error *= 1e-6 * (norm + optimizer.epsilon) / np.sqrt((error**2).sum())
    moved = orthogonal(optimizer, gradient + error) - orthogonal(optimizer, gradient)
    share = np.sqrt((moved**2).sum() / (error**2).sum()) * (norm + optimizer.epsilon)
    most = optimizer.coefficients[0] ** optimizer.iterations
    assert share < 1.2 * most
    assert norm or share > 0.8 * most


@pytest.mark.parametrize("shape", [(5, 27), (27, 5)])
def test_newton_schulz_is_keras_own(shape: tuple[int, int]) -> None:
    framework("keras")
    import keras

    matrix = np.random.default_rng(4).standard_normal(shape)
    for optimizer in (Muon(), Muon(iterations=5, coefficients=(3.0, -3.2, 1.2))):
        own = keras.optimizers.Muon(**dict(zip(("muon_a", "muon_b", "muon_c"), optimizer.coefficients, strict=True)))
        expected = own.zeropower_via_newtonschulz5(keras.ops.convert_to_tensor(matrix), optimizer.iterations)
        found = {"kernel": orthogonal(optimizer, matrix)}
        difference = tensor_difference({"kernel": keras.ops.convert_to_numpy(expected)}, found)
        assert difference.within, str(difference)


@pytest.mark.parametrize("implementation", [by_torch, by_keras])
def test_muon_in_bfloat16(
    implementation: Callable[[Graph, Weights, Recipe], Weights], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One update: only the matrix is made orthogonal in bfloat16, and the weights keep their precision.

    Of one iteration, because each one enlarges the errors of those before it.
    """
    monkeypatch.setattr("test_optimizers.RATES", RATES[:1])
    graph, optimizer = network(), Muon(bfloat16=True, iterations=1)
    recipe = Recipe(optimizer=optimizer)
    weights = initial_weights(graph, seed=3)
    expected, found = by_numpy(graph, weights, recipe), implementation(graph, weights, recipe)
    others = {name: array for name, array in expected.items() if name != "conv.weight"}
    assert tensor_difference(others, {name: found[name] for name in others}).within
    off = np.abs(found["conv.weight"] - expected["conv.weight"]).max() / RATES[0]
    unit = 2**-8  # of bfloat16; the elements of the matrix are below 1, and the coefficients multiply them
    assert unit / 10 < off < unit * np.abs(optimizer.coefficients).sum()
    assert found["conv.weight"].dtype == np.float64


def test_every_kind_has_cases() -> None:
    kinds = {optimizer.kind: optimizer for optimizer in get_args(AnyOptimizer)}
    assert OPTIMIZERS.keys() == kinds.keys()
    assert all(type(case) is kinds[kind] for kind, cases in OPTIMIZERS.items() for case in cases.values())


@pytest.mark.parametrize("framework_name", ["torch", "keras"])
def test_every_optimizer_has_its_handler(framework_name: str) -> None:
    framework(framework_name)
    handlers = importlib.import_module(f"{framework_name}_impl.optim").HANDLERS
    kinds = [optimizer.kind for optimizer in get_args(AnyOptimizer)]
    assert list(handlers) == kinds


def test_numpy_has_every_optimizer() -> None:
    assert list(HANDLERS) == [optimizer.kind for optimizer in get_args(AnyOptimizer)]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_update_from_settings_is_the_one_written_out(recipe: Recipe) -> None:
    """`updated` takes decays, rates and frozen groups from the settings; `by_numpy` has them written out."""
    graph = network()
    state = {name: value.astype(np.float64) for name, value in initial_weights(graph, seed=3).items()}
    given = gradients(graph, 0)
    for slot in slot_names(recipe.optimizer):
        state |= {f"{slot}.{name}": np.zeros(() if slot == UPDATES else value.shape) for name, value in given.items()}
    expected = by_numpy(graph, initial_weights(graph, seed=3), recipe)
    for step, now in enumerate(settings_of(graph, recipe)):
        groups = settings(graph, recipe)
        state |= updated(recipe.optimizer, groups, now, state, gradients(graph, step))
    difference = tensor_difference(expected, {name: state[name] for name in expected})
    assert difference.within, str(difference)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop_is_keras_own(momentum: float) -> None:
    """With an equal rate in every step; `changed` above is compared with both trainers."""
    framework("keras")
    import keras

    optimizer, generator = RMSprop(momentum=momentum, weight_decay=0.0), np.random.default_rng(5)
    value = generator.standard_normal(7)
    slots = {slot: np.zeros_like(value) for slot in optimizer.slots}
    variable = keras.Variable(value, dtype="float64")
    own = keras.optimizers.RMSprop(0.25, rho=optimizer.rho, momentum=momentum, epsilon=optimizer.epsilon)
    for number in range(1, 5):
        gradient = generator.standard_normal(7)
        own.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        value = changed(optimizer, value, gradient, 0.25, 0.0, number, slots)
    difference = tensor_difference({"value": value}, {"value": keras.ops.convert_to_numpy(variable)})
    assert difference.within, str(difference)
