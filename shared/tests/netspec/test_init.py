"""Initial weights and draws, a stream a name."""

import numpy as np
import pytest

from diptych.errors import UnknownNameError
from netspec import architecture, draw_noise, explicit_noise, functional as f, initial_weights
from netspec.init import SCHEMES, stream


def test_the_same_bits_every_time(small):
    one, again, other = initial_weights(small), initial_weights(small), initial_weights(small, seed=1)
    for name in small.params:
        np.testing.assert_array_equal(one[name], again[name])
    assert not np.array_equal(one["conv.weight"], other["conv.weight"])


def test_the_stream_is_pinned():
    """Weights made by a version of Diptych must be made by every later one."""
    graph = architecture("lenet5")
    values = initial_weights(graph)["conv1.weight"].ravel()[:3]
    np.testing.assert_array_equal(
        values, stream(0, "conv1.weight").standard_normal(3, np.float32) * np.float32(np.sqrt(2 / 75))
    )
    assert stream(0, "conv1.weight").integers(2**32, size=2).tolist() == [1903091695, 2334214080]


def test_a_layer_more_reshuffles_no_other(draw):
    def network(x, deeper):
        x = f.conv_bn(x, 4, 3, name="conv1")
        x = f.conv_bn(x, 4, 3, name="between") if deeper else x
        return f.conv_bn(x, 6, 3, name="conv2")

    shallow, deep = (initial_weights(draw(lambda x, d=d: network(x, d))) for d in (False, True))
    assert shallow.keys() < deep.keys()
    for name, values in shallow.items():
        np.testing.assert_array_equal(values, deep[name])


def test_names_shapes_and_neutral_values(small):
    weights = initial_weights(small)
    assert list(weights) == list(small.params)
    for name, param in small.params.items():
        assert weights[name].shape == param.shape
        assert weights[name].dtype == np.float32
        if param.kind != "kernel":
            assert (weights[name] == (param.kind in ("gamma", "variance"))).all()


VARIANCES = {
    "he_normal": 2 / (64 * 9),
    "he_normal_fan_out": 2 / (128 * 9),
    "he_normal_truncated": 2 / (64 * 9),
    "glorot_uniform": 2 / (192 * 9),
    "fan_in_uniform": 1 / (3 * 64 * 9),
    "normal": 0.05**2,
    "keras": 2 / (192 * 9),
    "torch": 1 / (3 * 64 * 9),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_variance_of_a_scheme(draw, scheme):
    graph = draw(lambda x: f.conv(x, 128, 3, name="conv"), (64, 8, 8))
    weights = initial_weights(graph, scheme=scheme)
    values, bias = weights["conv.weight"], weights["conv.bias"]
    assert values.dtype == bias.dtype == np.float32
    assert values.var() == pytest.approx(VARIANCES[scheme], rel=0.02)
    assert abs(values.mean()) < values.std() / 50
    assert bias.std() == (pytest.approx(values.std(), rel=0.15) if scheme == "torch" else 0)


@pytest.mark.parametrize("scheme", ["he_normal_truncated", "fan_in_uniform"])
def test_values_end_at_a_bound(draw, scheme):
    graph = draw(lambda x: f.conv(x, 128, 3, name="conv"), (64, 8, 8))
    values = initial_weights(graph, scheme=scheme)["conv.weight"]
    bound = {"he_normal_truncated": 2 * np.sqrt(2 / 576) / 0.87962566103423978, "fan_in_uniform": 1 / np.sqrt(576)}
    assert 0.99 * bound[scheme] < abs(values).max() <= bound[scheme] * (1 + 1e-6)


def test_frameworks_defaults_are_schemes_with_and_without_biases(small):
    for one, other in (("keras", "glorot_uniform"), ("torch", "fan_in_uniform")):
        first, second = initial_weights(small, scheme=one), initial_weights(small, scheme=other)
        changed = [name for name in first if not np.array_equal(first[name], second[name])]
        assert changed == (["fc.bias"] if one == "torch" else [])


def test_an_unknown_scheme(small):
    with pytest.raises(UnknownNameError, match=r"'magic'.*he_normal"):
        initial_weights(small, scheme="magic")


def test_draws_for_every_noise_input(draw):
    graph = explicit_noise(draw(lambda x: f.dropout(f.stochastic_depth(f.relu(x), 0.25), 0.75)))
    draws = draw_noise(graph, 4000)
    assert {name: values.shape for name, values in draws.items()} == {
        name: (4000, *shape) for name, shape in graph.inputs.items() if name != "image"
    }
    for values in draws.values():
        assert set(np.unique(values)) == {0, 1}
        assert values.mean() == pytest.approx(0.25, abs=0.03)
    np.testing.assert_array_equal(
        draw_noise(graph, 5)["noise.relu.stochastic_depth"], draws["noise.relu.stochastic_depth"][:5]
    )


def test_a_graph_without_noise_draws_nothing(small):
    assert draw_noise(small, 8) == {}
    assert draw_noise(architecture("lenet5"), 8) == {}
