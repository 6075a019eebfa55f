"""Graph to graph, and the digest that says where the same weights make sense."""

import pytest

from netspec import (
    Graph,
    Node,
    architecture,
    explicit_noise,
    frozen_norms,
    functional as f,
    inference,
    list_architectures,
    ops,
    without_noise,
)
from netspec.ops import NoisyOp


def noisy_names(graph):
    return [node.name for node in graph if isinstance(node.op, NoisyOp)]


@pytest.fixture
def noisy(draw):
    def network(x):
        x = f.conv(f.dropout(x, 0.2, name="first"), 4, 3, name="conv")
        x = f.add(f.stochastic_depth(f.dropout(f.relu(x), 0.3), 0.5, name="depth"), x)
        return f.dropout(f.flatten(x), 0.5, name="last")

    return draw(network)


def test_without_noise_joins_what_was_around_it(noisy):
    quiet = without_noise(noisy)
    assert noisy_names(noisy) == ["first", "conv.relu.dropout", "depth", "last"]
    assert noisy_names(quiet) == []
    reads = {node.name: node.inputs for node in quiet}
    assert reads["conv"] == ("image",)
    assert reads["depth.add"] == ("conv.relu", "conv")
    assert quiet.outputs == ("depth.add.flatten",)
    assert set(quiet.params) == set(noisy.params)


def test_explicit_noise_gives_each_op_that_draws_an_input(noisy):
    explicit = explicit_noise(noisy)
    assert list(explicit.inputs) == ["image", *(f"noise.{name}" for name in noisy_names(noisy))]
    assert explicit.inputs["noise.depth"] == (1, 1, 1)
    assert explicit.inputs["noise.last"] == explicit.shapes["last"]
    assert explicit_noise(explicit) == explicit
    assert without_noise(explicit) == without_noise(noisy)


def test_inference_is_the_way_to_the_logits():
    conv, side = Node("conv", ops.Conv(4, (1, 1)), ("image",)), Node("aux", ops.Conv(9, (1, 1)), ("drop",))
    graph = Graph("net", (3, 8, 8), (conv, Node("drop", ops.Dropout(0.5), ("conv",)), side), ("drop", "aux"))
    served = inference(graph)
    assert [node.name for node in served] == ["conv"]
    assert served.outputs == ("conv",)
    assert served.digest == graph.digest


def test_frozen_norms_are_plain_again_at_inference(small):
    frozen = frozen_norms(small, {"conv.bn", "fc"})
    changed = {node.name: node for node in frozen if node not in small.nodes}
    assert changed == {"conv.bn": Node("conv.bn", ops.FrozenBatchNorm(1e-5, 0.1), ("conv",))}
    assert frozen_norms(frozen, {"conv.bn"}) == frozen
    assert inference(frozen) == inference(small)
    assert frozen_norms(small, ()) == small


@pytest.mark.parametrize("name", list_architectures())
def test_passes_keep_weights_counts_and_digest(name):
    graph = architecture(name)
    all_frozen = frozen_norms(graph, {node.name for node in graph})
    for changed in (without_noise(graph), inference(graph), explicit_noise(graph), all_frozen):
        assert changed.digest == graph.digest
        assert changed.params == graph.params
        assert (changed.num_total, changed.macs) == (graph.num_total, graph.macs)
        assert changed.blocks == graph.blocks
    assert not noisy_names(inference(graph))


def test_digest_without_image_size_dropout_and_pads(draw):
    assert architecture("resnet20", image_size=64).digest == architecture("resnet20").digest
    assert architecture("nin", dropout=0.0).digest == architecture("nin", dropout=0.2).digest
    one, other = (draw(lambda x, p=p: f.conv(x, 4, 3, padding=p, name="conv")) for p in (0, 1))
    assert one.digest == other.digest
    one, other = (draw(lambda x, c=c: f.avg_pool(x, 3, 2, ceil=c)) for c in (False, True))
    assert one.digest == other.digest


def test_digest_without_names_of_ops_that_own_nothing(draw):
    one, other = (draw(lambda x, n=n: f.activation(f.conv(x, 4, 3, name="c"), "relu", name=n)) for n in ("a", "b"))
    assert one.digest == other.digest


DIFFERENT = {
    "channels": lambda x: f.relu(f.conv(x, 5, 3, name="conv")),
    "a kernel": lambda x: f.relu(f.conv(x, 4, 5, name="conv")),
    "a stride": lambda x: f.relu(f.conv(x, 4, 3, 2, name="conv")),
    "a bias": lambda x: f.relu(f.conv(x, 4, 3, bias=False, name="conv")),
    "a name of weights": lambda x: f.relu(f.conv(x, 4, 3, name="conv1")),
    "an activation": lambda x: f.activation(f.conv(x, 4, 3, name="conv"), "tanh"),
    "an op less": lambda x: f.conv(x, 4, 3, name="conv"),
    "an op more": lambda x: f.max_pool(f.relu(f.conv(x, 4, 3, name="conv")), 2),
    "another order": lambda x: f.conv(f.relu(x), 4, 3, name="conv"),
}


@pytest.mark.parametrize("network", DIFFERENT.values(), ids=DIFFERENT)
def test_digest_depends_on(draw, network):
    assert draw(network).digest != draw(lambda x: f.relu(f.conv(x, 4, 3, name="conv"))).digest


def test_digest_depends_on_input_channels_and_classes():
    digests = {architecture("lenet5", **choice).digest for choice in ({}, {"in_channels": 1}, {"num_classes": 3})}
    assert len(digests) == 3


def test_no_two_architectures_share_a_digest():
    digests = {architecture(name, num_classes=10).digest for name in list_architectures()}
    assert len(digests) == len(list_architectures())
