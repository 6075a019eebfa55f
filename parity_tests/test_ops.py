"""Every op of the vocabulary, in all builders, through all its attributes."""

import numpy as np
import pytest

import onnx_impl
from netspec import Graph, Node, ops
from netspec.compare import Difference, forward_difference, limits
from netspec.probes import probe_images, probe_weights
from onnx_impl.export import reference_forward
from parity.check import CHECKS, Comparison, check
from parity.examples import EXAMPLES, example, uncovered
from parity.runners import KerasRunner, TorchRunner, train_once
from parity.subject import IMAGES


def test_every_op_has_an_example():
    assert not uncovered(), f"no example for {', '.join(sorted(uncovered()))}"
    assert all(example(name).name == f"op.{name}" for name in EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_parity(name):
    graph = example(name)
    results = list(check(Comparison(graph, graph, graph)))
    assert [result.check for result in results] == list(CHECKS)
    assert not [result for result in results if not result.passed]


@pytest.mark.parametrize("name", EXAMPLES)
def test_onnx_reference_agrees(name, torch_forward):
    """A third judge, which shares no code with any framework or runtime."""
    graph = example(name)
    weights, images = probe_weights(graph), probe_images(graph, IMAGES, seed=2)
    model = onnx_impl.build(graph, weights=weights)
    difference = forward_difference(reference_forward(model, images), torch_forward(graph, weights)(images))
    assert difference.within, str(difference)


@pytest.mark.parametrize("runner", [TorchRunner, KerasRunner])
def test_fused_kernels_store_the_unbiased_variance(runner):
    """One float32 step at batch 2 on a 2x2 map: eight values, so the biased variance would be off by an eighth."""
    nodes = (
        Node("bn", ops.BatchNorm(fraction=0.25), ("image",)),
        Node("flat", ops.Flatten(), ("bn",)),
        Node("fc", ops.Linear(5), ("flat",)),
    )
    graph = Graph("small", (3, 2, 2), nodes, ("fc",))
    weights, images = probe_weights(graph), np.random.default_rng(0).standard_normal((2, 3, 2, 2)).astype(np.float32)
    made = train_once(runner(graph, weights, "float32"), {"image": images}, np.ones((2, 5)))
    old, values = weights["bn.running_var"].astype(np.float64), images.astype(np.float64)
    unbiased, biased = (0.75 * old + 0.25 * values.var((0, 2, 3), ddof=ddof) for ddof in (1, 0))
    mean = 0.75 * weights["bn.running_mean"] + 0.25 * values.mean((0, 2, 3))
    unit = np.abs(unbiased - biased).min()  # what there is to tell apart
    for name, expected in (("bn.running_var", unbiased), ("bn.running_mean", mean)):
        apart = float(np.abs(made.statistics[name] - expected).max() / unit)
        difference = Difference(apart, limits().float32_forward, name)
        assert difference.within, str(difference)
