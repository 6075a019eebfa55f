"""Probe weights, neutral nowhere, and probe images, each unlike the others."""

import numpy as np
import pytest

from netspec import functional as f, trace
from netspec.probes import probe_images, probe_weights


def test_probe_weights_are_neutral_nowhere(small):
    weights = probe_weights(small)
    assert weights.keys() == small.params.keys()
    for name, values in weights.items():
        assert not np.isin(values, (0, 1)).any(), name
        assert np.unique(values).size == values.size, name
        assert values.min() > 0 or small.params[name].kind != "variance"


def test_probe_betas_are_above_zero_where_an_activation_follows(draw):
    def network(x):
        return f.add(x, f.conv_bn(f.conv_bn(x, 64, 3, name="conv1"), 64, 3, activation=None, name="conv2"))

    weights = probe_weights(draw(network, (64, 8, 8)))
    assert weights["conv1.bn.bias"].min() > 0
    assert weights["conv2.bn.bias"].min() < 0 < weights["conv2.bn.bias"].max()


def test_one_channel_before_an_activation_passes_the_bend_of_relu6_also_through_a_pool_and_a_sum(draw):
    def network(x):
        one, other = (f.conv_bn(x, 8, 3, activation=None, name=f"conv{number}") for number in (1, 2))
        x = f.relu(f.add(f.max_pool(one, 2), f.max_pool(other, 2)))
        return f.relu(f.conv(x, 8, 1, bias=True, name="conv3"))

    weights = probe_weights(draw(network, (3, 8, 8)))
    assert weights["conv1.bn.bias"][0] > 3 > weights["conv1.bn.bias"][1:].max()
    assert weights["conv1.bn.weight"][0] > 1 > weights["conv1.bn.weight"][1:].max()
    assert weights["conv2.bn.bias"].max() < 3
    assert weights["conv3.bias"][0] > 6 > weights["conv3.bias"][1:].max()


def test_one_channel_before_a_batch_norm_is_faint_also_before_a_pool(draw):
    def network(x):
        x = f.batch_norm(f.max_pool(f.conv(x, 8, 3, name="conv1"), 2), name="norm")
        return f.conv(x, 8, 3, name="conv2")

    weights = probe_weights(draw(network, (3, 8, 8)))
    by_channel = {name: np.abs(weights[f"{name}.weight"]).max((1, 2, 3)) for name in ("conv1", "conv2")}
    assert by_channel["conv1"][-1] < by_channel["conv1"][:-1].min() / 8
    assert by_channel["conv2"][-1] > by_channel["conv2"][:-1].min() / 8


def test_probe_images_differ_in_contrast():
    graph = trace("wide", (3, 48, 40), lambda x: f.linear(f.flatten(x), 5, name="fc"))
    images = probe_images(graph, 64)
    assert images.shape == (64, 3, 48, 40)
    assert images.dtype == np.float32
    assert images.var() == pytest.approx(1, abs=0.2)
    contrasts = images.std((1, 2, 3))
    assert contrasts.max() > 2 * contrasts.min()
    np.testing.assert_array_equal(images, probe_images(graph, 64))
    assert not np.array_equal(images, probe_images(graph, 64, seed=1))
