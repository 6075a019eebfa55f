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
