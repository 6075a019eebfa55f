"""Three steps of fine-tuning in float64 by the shipped trainers: what is frozen stays, and the rest is equal."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from family_networks import ONE_OF_A_FAMILY, is_light
from netspec import Graph, architecture, functional as f, trace
from netspec.compare import tensor_difference
from netspec.init import Weights
from netspec.ops import BatchNorm
from netspec.reduce import reduced
from netspec.weights import save_weights
from onnx_impl.measure import measured_weights, probe
from parity.memory import release
from parity.noise_task import RECIPE, noise_task
from training_sides import STEPS, state_difference, trained, trainer_of
from trainspec.averages import AnyAverage
from trainspec.batches import batches_of
from trainspec.optim import frozen_norms_of, settings
from trainspec.optimizers import AnyOptimizer
from trainspec.recipes import ParameterTable, Recipe, find_recipe, override
from trainspec.task import Task
from trainspec.warm_start import Given, WarmStart

NORMED = {  # families with batch norms
    family: name
    for family, name in ONE_OF_A_FAMILY.items()
    if is_light(reduced(name)) and sum(isinstance(node.op, BatchNorm) for node in reduced(name)) > 1
}
QUICK = 1_000_000  # parameters of a network that is trained in two or three seconds
SETTINGS: dict[str, dict[str, Any]] = {  # what a recipe has beside its frozen parts
    **{f"optimizer.{kind.kind}": {"optimizer.kind": kind.kind} for kind in get_args(AnyOptimizer)},
    **{f"average.{kind.kind}": {"average.kind": kind.kind, "average.every": 2} for kind in get_args(AnyAverage)},
    "optimizer.clip_norm": {"optimizer.clip_norm": 0.1},
    "optimizer.decay_norms_and_biases": {"optimizer.decay_norms_and_biases": True},
    "accumulate": {"accumulate": 2},
}


def small() -> Graph:
    """Norms on maps and on a vector, two of them under the names that are frozen."""

    def network(x):
        x = f.conv_bn(x, 4, 3, activation=f.relu, name="stem.one")
        x = f.conv_bn(x, 6, 3, activation=f.relu, name="stem.two")
        x = f.conv_bn(x, 6, 3, activation=f.relu, name="body")
        return f.linear(
            f.batch_norm(f.linear(f.global_avg_pool(x), 7, bias=False, name="fc1"), name="fc1.bn"), 5, name="fc2"
        )

    return trace("small", (3, 8, 8), network)


def halves(graph: Graph) -> tuple[ParameterTable, ...]:
    """Freezes the first half of the batch norms, with all that comes before; changes the rate of half of the rest."""
    norms = [node.name for node in graph if isinstance(node.op, BatchNorm)]
    names = [node.name for node in graph if any(name.startswith(f"{node.name}.") for name in graph.params)]
    until = names.index(norms[len(norms) // 2 - 1]) + 1
    later = names[until::2]
    return (
        *(ParameterTable(f"{name}.[!.]*", freeze=True) for name in names[:until] if trainable(graph, name)),
        *(ParameterTable(f"{name}.[!.]*", rate_factor=0.1) for name in later if trainable(graph, name)),
    )


def trainable(graph: Graph, node: str) -> bool:
    return any(name.rpartition(".")[0] == node and param.trainable for name, param in graph.params.items())


def tuned(graph: Graph, recipe: Recipe) -> Task:
    """A task that begins with statistics far from 0 and 1, as after a training."""
    task = noise_task(graph, recipe)
    return replace(task, weights=measured_weights(graph, task.weights))


def check(task: Task) -> None:
    """Both frameworks agree in everything. What is frozen keeps its bits, and its statistics; the rest moves."""
    groups = settings(task.graph, task.recipe)
    norms = frozen_norms_of(task.graph, groups)
    frozen = {name for group in groups if group.is_frozen for name in group.names}
    frozen |= {f"{norm}.{name}" for norm in norms for name in ("running_mean", "running_var")}
    assert frozen
    assert norms
    assert frozen < task.weights.keys()
    sides = [trained(name, task) for name in ("torch", "keras")]
    difference = state_difference(*sides, task)
    print(f"{difference}")
    assert difference.within, f"{difference}"
    for state in sides:
        for name, first in task.weights.items():
            moves = task.graph.params[name].kind in ("kernel", "mean")  # a bias before a norm has no gradient
            if moves or name in frozen:
                assert np.array_equal(state[name], first.astype(np.float64)) == (name in frozen), name
            if name in frozen and task.recipe.average:
                np.testing.assert_array_equal(state[f"average.{name}"], state[name])
        slots = [values for key, values in state.items() if key.partition(".")[2] in frozen and key not in task.weights]
        assert not any(values.any() for values in slots if not task.recipe.average)
    release()


def by_time(families: dict[str, str]) -> Iterator[Any]:
    """Those that take longer are in the long tests."""
    for family, name in families.items():
        yield pytest.param(family, marks=[pytest.mark.long] if reduced(name).num_total > QUICK else [])


@pytest.mark.parametrize("family", list(by_time(NORMED)))
def test_networks(family: str) -> None:
    graph = reduced(NORMED[family])
    check(tuned(graph, replace(RECIPE, parameters=halves(graph))))


@pytest.mark.parametrize("name", SETTINGS)
def test_settings(name: str) -> None:
    recipe = override(RECIPE, {**SETTINGS[name], "schedule.peak": 1e-3})
    check(tuned(small(), replace(recipe, parameters=(ParameterTable("stem*", freeze=True),))))


def test_all_but_the_head() -> None:
    """A linear probe: every norm is frozen."""
    tables = ParameterTable("*", freeze=True), ParameterTable("fc2*", freeze=False)
    check(tuned(small(), replace(RECIPE, parameters=tables)))


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_gradients_by_hand(framework: str) -> None:
    """A frozen norm between two dense layers: NumPy's gradients, with the running statistics as constants."""
    epsilon = 1e-3

    def network(x):
        x = f.batch_norm(f.linear(f.flatten(x), 7, name="fc1"), epsilon=epsilon, name="norm")
        return f.linear(x, 5, name="fc2")

    recipe = replace(RECIPE, parameters=(ParameterTable("norm.*", freeze=True),))
    task = tuned(trace("by_hand", (3, 4, 4), network), recipe)
    trainer = trainer_of(framework, task)
    (plan, *_) = task.plan(0).batches(task.batch_size, drop_last=True)
    batch = task.batch(plan)
    found = trainer.gradients(next(iter(batches_of(task, trainer)([plan]))))
    w = {name: values.astype(np.float64) for name, values in task.weights.items()}
    x = batch.images.astype(np.float64).transpose(0, 3, 1, 2).reshape(len(batch.images), -1)
    slope = w["norm.weight"] / np.sqrt(w["norm.running_var"] + epsilon)
    y = (x @ w["fc1.weight"].T + w["fc1.bias"] - w["norm.running_mean"]) * slope + w["norm.bias"]
    logits = y @ w["fc2.weight"].T + w["fc2.bias"]
    shares = np.exp(logits - logits.max(1, keepdims=True))
    delta = (shares / shares.sum(1, keepdims=True) - batch.targets) / len(x)
    back = delta @ w["fc2.weight"] * slope
    expected: Weights = {
        "fc1.weight": back.T @ x,
        "fc1.bias": back.sum(0),
        "fc2.weight": delta.T @ y,
        "fc2.bias": delta.sum(0),
    }
    assert found.keys() == expected.keys()
    difference = tensor_difference(expected, found)
    assert difference.within, f"{difference}"
    state = trainer.weights()
    assert all(np.array_equal(state[name], w[name]) for name in w)  # no statistics moved


def like_vgg19(classes: int) -> Graph:
    """A network with the names of origin 1's VGG19, in which every layer is small."""

    def network(x):
        for stage, depth in enumerate((2, 1), 1):
            for number in range(1, depth + 1):
                x = f.conv_bn(x, 4, 3, bias=True, activation=f.relu, name=f"conv{stage}_{number}")
            x = f.max_pool(x, 2)
        x = f.flatten(x)
        for name, width in (("fc6", 9), ("fc7", 9), ("fc8", classes)):
            x = f.batch_norm(f.linear(x, width, name=name), name=f"{name}.bn")
        return x

    return trace("like_vgg19", (3, 8, 8), network)


ORIGINS = {  # recipe -> the network with the file's weights, and the network that is fine-tuned
    "vgg19_cifar+imagenet": (lambda: like_vgg19(5), lambda: like_vgg19(5)),
    "resnet34+imagenet": (lambda: reduced("resnet34", num_classes=9), lambda: reduced("resnet34", num_classes=5)),
}


@pytest.mark.parametrize("name", ORIGINS)
def test_as_the_origins_fine_tuned(name: str, tmp_path) -> None:
    """From a file, by the origin's own recipe, on fewer images."""
    given, trained_one = (make() for make in ORIGINS[name])
    path, said = tmp_path / "imagenet.safetensors", []
    save_weights(given, probe(given), path)
    entry = name.partition("+")[0]
    recipe = override(
        find_recipe(entry, "", "cifar10", f"original/{name}"), {"batch": 4, "epochs": 2, "precision": "fp64"}
    )
    if "vgg" in name:  # its schedule is in epochs: the rate changes within the steps
        recipe = override(recipe, {"schedule.peak": 1e-3})
    task = noise_task(trained_one, recipe)
    warm = WarmStart.read(Given(path), trained_one, recipe, task.weights, task.data.classes, said.append)
    assert said
    assert warm.anew
    task = replace(task, weights=warm.weights, warm_start=warm)
    sides = [trained(framework, task, STEPS) for framework in ("torch", "keras")]
    difference = state_difference(*sides, task)
    print(f"{difference}")
    assert difference.within, f"{difference}"
    kernels = {key for key, param in trained_one.params.items() if param.kind == "kernel"}
    assert not any(np.array_equal(sides[0][key], value) for key, value in warm.weights.items() if key in kernels)
    release()


def test_vgg19_has_these_names() -> None:
    names = architecture("vgg19_cifar").params.keys()
    assert set(like_vgg19(5).params) <= names
