"""Auxiliary heads: further outputs in training, nothing at inference."""

from dataclasses import replace

import pytest

from diptych.errors import GraphError, WeightsError
from netspec import architecture, functional as f, inference, initial_weights, load_weights, save_weights, trace
from netspec.graph import Graph
from netspec.passes import explicit_noise, without_heads, without_noise
from netspec.reduce import reduced
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
    assert without_heads(graph) == replace(plain, name=graph.name)
    assert (graph.digest, graph.macs) == (plain.digest, plain.macs)


def test_passes_keep_loss_weights():
    graph = architecture("googlenet", aux_heads=True)
    assert without_noise(graph).loss_weights == explicit_noise(graph).loss_weights == graph.loss_weights
    assert without_noise(graph).outputs == graph.outputs  # none of them is a dropout


def test_json_round_trip(name):
    graph = architecture(name, aux_heads=True)
    assert from_json(graph.to_json()) == graph
    assert "loss_weights" not in architecture(name).to_json()


def test_heads_are_named_after_their_scopes():
    assert architecture("googlenet", aux_heads=True).heads == {"logits": 1.0, "aux1": 0.3, "aux2": 0.3}
    assert architecture("inception_v3", aux_heads=True).heads == {"logits": 1.0, "aux": 0.4}
    assert architecture("googlenet").heads == {"logits": 1.0}
    graph = architecture("lenet5")
    shared = replace(graph, outputs=("fc3", "fc2"))
    assert shared.heads == {"logits": 1.0, "fc2": 1.0}


def test_two_heads_of_one_name():
    def network(x):
        x = f.flatten(x)
        return {f.linear(x, 2, name=f"{scope}.fc"): 1.0 for scope in ("out", *scopes)}

    for scopes in (("aux", "side"), ("a.aux", "b.aux")):
        assert list(trace("net", (3, 4, 4), network).heads) == ["logits", *scopes]
    scopes = ("logits",)
    with pytest.raises(GraphError, match="two outputs have the same head name"):
        trace("net", (3, 4, 4), network)


def test_a_reduced_copy_keeps_every_head(name):
    graph = reduced(name, aux_heads=True)
    assert graph.heads == architecture(name, aux_heads=True).heads
    assert {graph.shapes[output] for output in graph.outputs} == {(1000,)}


def test_weights_of_heads_are_let_go_where_there_are_none(tmp_path):
    path = tmp_path / "w.safetensors"
    plain, graph = (architecture("googlenet_bn", num_classes=2, aux_heads=heads) for heads in (False, True))
    weights = initial_weights(graph)
    save_weights(graph, weights, path)
    assert load_weights(graph, path).keys() == graph.params.keys()
    loaded = load_weights(plain, path)
    assert loaded.keys() == plain.params.keys()
    assert all((loaded[name] == weights[name]).all() for name in loaded)
    save_weights(plain, loaded, path)
    with pytest.raises(WeightsError, match=r"'aux1\.conv\.weight' of .* is not in .*, and no other tensor of its aux"):
        load_weights(graph, path)


def test_one_weight_an_output():
    graph = architecture("lenet5")
    with pytest.raises(GraphError, match="2 loss weights for 1 outputs"):
        Graph(graph.name, graph.input_shape, graph.nodes, graph.outputs, loss_weights=(1.0, 0.3))
