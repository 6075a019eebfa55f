"""Schemes of initial weights against the frameworks' own: the same bounds and deviations, tensor by tensor."""

from collections.abc import Callable, Mapping
from statistics import NormalDist

import keras
import numpy as np
import pytest
import torch

from netspec import Graph, Tensor, architecture, functional as f, initial_weights, trace
from netspec.compare import tensor_difference
from netspec.init import CUT
from trainspec.data import ArraySplit
from trainspec.initialisation import Dirac, Start
from trainspec.whitening import whitening_filters

CHANNELS, FILTERS, FEATURES, GROUPS = 64, 128, 256, 8
EPSILON = 5e-4


def drawn() -> Graph:
    def network(x: Tensor) -> Tensor:
        x = f.conv(x, FILTERS, 3, name="conv")
        x = f.conv(x, FILTERS, 3, groups=GROUPS, name="grouped")
        return f.linear(f.global_avg_pool(x), FEATURES, name="dense")

    return trace("drawn", (CHANNELS, 8, 8), network)


def by_torch() -> dict[str, np.ndarray]:
    """PyTorch's layers as it makes them."""
    torch.manual_seed(0)
    layers: Mapping[str, torch.nn.Module] = {
        "conv": torch.nn.Conv2d(CHANNELS, FILTERS, 3),
        "grouped": torch.nn.Conv2d(FILTERS, FILTERS, 3, groups=GROUPS),
        "dense": torch.nn.Linear(FILTERS, FEATURES),
    }
    return {
        f"{name}.{key}": value.detach().numpy()
        for name, layer in layers.items()
        for key, value in layer.named_parameters()
    }


def by_keras(**settings: object) -> dict[str, np.ndarray]:
    """Keras's layers as it makes them, with `settings`."""
    keras.utils.set_random_seed(0)
    layers = {
        "conv": (keras.layers.Conv2D(FILTERS, 3, **settings), (None, 8, 8, CHANNELS)),
        "grouped": (keras.layers.Conv2D(FILTERS, 3, groups=GROUPS, **settings), (None, 8, 8, FILTERS)),
        "dense": (keras.layers.Dense(FEATURES, **settings), (None, FILTERS)),
    }
    weights = {}
    for name, (layer, shape) in layers.items():
        layer.build(shape)
        weights |= {f"{name}.weight": np.asarray(layer.kernel), f"{name}.bias": np.asarray(layer.bias)}
    return weights


def xavier() -> dict[str, np.ndarray]:
    """PyTorch's `xavier_uniform_`, biases 0."""
    torch.manual_seed(0)
    weights = {}
    for name, param in drawn().params.items():
        tensor = torch.zeros(param.shape)
        weights[name] = (torch.nn.init.xavier_uniform_(tensor) if param.kind == "kernel" else tensor).numpy()
    return weights


STATISTICS = (np.std, lambda values: abs(values).max())
OTHERS: Mapping[str, tuple[str, Callable[[], dict[str, np.ndarray]]]] = {
    "torch's layers": ("torch", by_torch),
    "torch's xavier_uniform_": ("glorot_uniform", xavier),
    "Keras's layers": ("keras", by_keras),
    "Keras's he_normal": ("he_normal_truncated", lambda: by_keras(kernel_initializer="he_normal")),
    "Keras's random_normal": ("normal", lambda: by_keras(kernel_initializer="random_normal")),
}


@pytest.mark.parametrize("other", OTHERS)
def test_the_frameworks_own(other: str) -> None:
    scheme, draw = OTHERS[other]
    ours, theirs = initial_weights(drawn(), scheme=scheme), draw()
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        assert values.size == theirs[name].size
        chance = 5 / np.sqrt(values.size)  # by which a statistic of so many draws may miss
        for statistic in STATISTICS[: 1 if scheme == "normal" else 2]:  # a normal curve has no bound
            one, another = statistic(values), statistic(theirs[name])
            assert abs(one - another) <= chance * another, name


def test_a_cut_normal_curve_has_the_deviation_that_keras_says() -> None:
    curve = NormalDist()
    variance = 1 - 4 * curve.pdf(2) / (curve.cdf(2) - curve.cdf(-2))
    assert tensor_difference({"deviation": np.array(variance**0.5)}, {"deviation": np.array(CUT)}).within


def test_dirac_is_that_of_torch_on_the_first_filters() -> None:
    graph = architecture("airbench94")
    weights = initial_weights(graph, scheme="fan_in_uniform")
    for name, kernel in Dirac("group*").changed(weights, start_of(graph)).items():
        expected = torch.tensor(weights[name])
        torch.nn.init.dirac_(expected[: expected.size(1)])
        np.testing.assert_array_equal(kernel, expected.numpy(), strict=True)


def test_whitening_is_that_of_torch_but_for_signs() -> None:
    """Step by step as airbench's code, in float64: patches by `unfold`, their moments, `eigh`."""
    start = start_of(architecture("airbench94"))
    filters = whitening_filters(start.images.array(), (2, 2), start.constants, EPSILON)
    images = (torch.tensor(start.images.array()).double() / 255 - 0.5) / 0.25
    patches = images.permute(0, 3, 1, 2).unfold(2, 2, 1).unfold(3, 2, 1).transpose(1, 3).reshape(-1, 12)
    eigenvalues, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    scaled = (vectors / torch.sqrt(eigenvalues + EPSILON)).T.flip(0).reshape(12, 3, 2, 2).numpy()
    signs = np.sign((scaled * filters).sum((1, 2, 3), keepdims=True))
    difference = tensor_difference({"filters": filters}, {"filters": signs * scaled})
    assert difference.within, difference


def start_of(graph: Graph) -> Start:
    """Smooth images: neighbouring pixels are alike, channels are not."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 17, 17, 3))
    smooth = (noise[:, 1:, 1:] + 2 * noise[:, :-1, 1:] + 4 * noise[:, 1:, :-1]) // 7
    split = ArraySplit(smooth.astype(np.uint8), np.zeros(len(smooth), np.int64))
    return Start(graph, 0, split, ((0.5,) * 3, (0.25,) * 3))
