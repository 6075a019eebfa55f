"""Float64 training steps, three across a change of the rate: every weight and every BN statistic, by name."""

import numpy as np
import pytest

from netspec import Graph, architecture, draw_noise, explicit_noise, functional as f, initial_weights, trace
from netspec.compare import tensor_difference
from netspec.init import Weights
from netspec.layout import to_channels_last
from netspec.reduce import reduced
from netspec.tracer import Heads, Tensor
from trainspec.plan import one_hot
from trainspec.recipes import Optimizer

RATES = (0.05, 0.05, 0.005)
BATCH = 6
RECIPES = {
    "nesterov": Optimizer(momentum=0.9, nesterov=True, weight_decay=5e-4),
    "heavy ball, all decayed": Optimizer(momentum=0.8, nesterov=False, weight_decay=1e-2, decay_norms_and_biases=True),
}


def vgg_small(norm: bool) -> Graph:
    """VGG at a quarter of its width, with a convolution a stage."""

    def network(x: Tensor) -> Tensor:
        for stage, channels in enumerate((16, 32, 64, 64, 64), 1):
            name = f"conv{stage}_1"
            x = f.conv_bn(x, channels, 3, bias=True, name=name) if norm else f.relu(f.conv(x, channels, 3, name=name))
            x = f.max_pool(x, 2)
        for i in (6, 7):
            x = f.dropout(f.relu(f.linear(f.flatten(x) if i == 6 else x, 96, name=f"fc{i}")), 0.5)
        return f.linear(x, 10, name="fc8")

    return trace("vgg_small_bn" if norm else "vgg_small", (3, 32, 32), network)


def headed() -> Graph:
    """A network with two auxiliary heads, one of them with dropout."""

    def network(x: Tensor) -> Heads:
        heads = {}
        for i, weight in enumerate((0.3, 0.5), 1):
            x = f.max_pool(f.conv_bn(x, 8 * i, 3, name=f"conv{i}"), 2)
            heads[f.linear(f.dropout(f.flatten(x), 0.5 * (i - 1)), 10, name=f"aux{i}.fc")] = weight
        return {f.classify(f.conv_bn(x, 24, 3, name="conv3"), 10): 1.0, **heads}

    return trace("headed", (3, 12, 12), network)


NETWORKS = {
    "lenet5": lambda: architecture("lenet5"),
    "nin": lambda: architecture("nin", image_size=16),
    "nin_bn": lambda: architecture("nin_bn", image_size=16),
    "vgg": lambda: vgg_small(norm=False),
    "vgg_bn": lambda: vgg_small(norm=True),
    "resnet20": lambda: architecture("resnet20", image_size=16),
    "headed": headed,
}
CASES = [*((name, "nesterov") for name in NETWORKS), ("lenet5", "heavy ball, all decayed")]


def batches(graph: Graph, steps: int) -> list[tuple[list[np.ndarray], np.ndarray]]:
    """Inputs in the graph's order and targets, for each step."""
    generator = np.random.default_rng(7)
    made = []
    for step in range(steps):
        images = generator.standard_normal((BATCH, *graph.input_shape))
        draws = draw_noise(graph, BATCH, seed=step)
        feeds = {"image": images, **draws}
        targets = one_hot(generator.integers(0, 10, BATCH), 10, smoothing=0.1)
        made.append(([feeds[name] for name in graph.inputs], targets))
    return made


def torch_weights(graph: Graph, weights: Weights, recipe: Optimizer, rates: tuple[float, ...]) -> Weights:
    import torch

    import torch_impl
    from torch_impl.model import by_name
    from torch_impl.optim import set_rate, sgd
    from torch_impl.train import loss_of

    model = torch_impl.build(graph, weights=weights).double().train()
    optimizer = sgd(model, recipe)
    for rate, (inputs, targets) in zip(rates, batches(graph, len(rates)), strict=True):
        set_rate(optimizer, rate)
        heads = by_name(model(*map(torch.from_numpy, inputs)))
        loss = loss_of(heads, torch.from_numpy(targets), graph.heads)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch_impl.get_weights(model)


def keras_weights(graph: Graph, weights: Weights, recipe: Optimizer, rates: tuple[float, ...]) -> Weights:
    from keras_impl.quiet import import_keras

    import_keras()
    import keras

    import keras_impl
    from keras_impl.optim import set_rate, sgd

    model = keras_impl.build(graph, weights=weights, dtype="float64")
    optimizer = sgd(model, recipe)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, dtype="float64")
    model.compile(optimizer, loss=loss, jit_compile=False)
    for rate, (inputs, targets) in zip(rates, batches(graph, len(rates)), strict=True):
        set_rate(optimizer, rate)
        laid_out = [to_channels_last(array, "map") if array.ndim == 4 else array for array in inputs]
        model.train_on_batch(laid_out if len(laid_out) > 1 else laid_out[0], targets)
    return keras_impl.get_weights(model)


def hold(graph: Graph, recipe: Optimizer, rates: tuple[float, ...]) -> None:
    """Both frameworks' weights after a step at each rate, to the limit of float64."""
    graph = explicit_noise(graph)
    weights = initial_weights(graph, seed=1)
    one, other = (train(graph, weights, recipe, rates) for train in (torch_weights, keras_weights))
    difference = tensor_difference(one, other)
    assert difference.within, f"{graph.name}: {difference}"
    moved = [key for key in weights if not np.array_equal(one[key], weights[key])]
    assert moved == list(weights), "a tensor that no step moved is not compared"


@pytest.mark.parametrize(("name", "form"), CASES)
def test_three_steps(name: str, form: str) -> None:
    hold(NETWORKS[name](), RECIPES[form], RATES)


def test_one_step_of_googlenet_with_its_heads() -> None:
    hold(reduced("googlenet", num_classes=10, aux_heads=True), RECIPES["nesterov"], RATES[:1])
