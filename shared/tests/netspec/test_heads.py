"""Auxiliary heads: further outputs in training, nothing at inference."""

import pytest

from netspec import architecture, inference
from netspec.errors import GraphError
from netspec.graph import Graph
from netspec.passes import explicit_noise, without_noise
from netspec.serialize import from_json

NETWORKS = {  # trainable parameters with the heads, by `ZOO.md`
    "googlenet": (13_378_280, 2),
    "googlenet_bn": (13_004_888, 2),
    "inception_v3": (27_161_264, 1),
}


@pytest.fixture(params=NETWORKS)
def name(request):
    return request.param


def test_heads_are_further_outputs_with_weights(name):
    trainable, heads = NETWORKS[name]
    graph = architecture(name, aux_heads=True)
    assert graph.num_trainable == trainable
    assert graph.outputs[0] == architecture(name).outputs[0]
    assert len(graph.outputs) == len(graph.loss_weights) == 1 + heads
    assert graph.loss_weights[0] == 1
    assert {graph.shapes[output] for output in graph.outputs} == {(1000,)}


def test_heads_change_neither_inference_nor_digest_nor_macs(name):
    plain, graph = architecture(name), architecture(name, aux_heads=True)
    assert plain.loss_weights == ()
    assert inference(graph).nodes == inference(plain).nodes
    assert inference(graph).outputs == plain.outputs
    assert inference(graph).loss_weights == ()
    assert (graph.digest, graph.macs) == (plain.digest, plain.macs)


def test_passes_keep_loss_weights():
    graph = architecture("googlenet", aux_heads=True)
    assert without_noise(graph).loss_weights == explicit_noise(graph).loss_weights == graph.loss_weights
    assert without_noise(graph).outputs == graph.outputs  # none of them is a dropout


def test_json_round_trip(name):
    graph = architecture(name, aux_heads=True)
    assert from_json(graph.to_json()) == graph
    assert "loss_weights" not in architecture(name).to_json()


def test_one_weight_an_output():
    graph = architecture("lenet5")
    with pytest.raises(GraphError, match="2 loss weights for 1 outputs"):
        Graph(graph.name, graph.input_shape, graph.nodes, graph.outputs, loss_weights=(1.0, 0.3))
