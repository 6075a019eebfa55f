"""Graphs as JSON: the same graph comes back, and anything else is refused by name of the file."""

import json

import pytest

from diptych.errors import GraphError
from netspec import architecture, explicit_noise, from_json, list_architectures


@pytest.mark.parametrize("name", list_architectures())
def test_round_trip(name):
    graph = architecture(name)
    again = from_json(graph.to_json())
    assert again == graph
    assert again.digest == graph.digest
    assert again.to_json() == graph.to_json()


def test_round_trip_with_noise_and_several_outputs(small):
    noisy = explicit_noise(small)
    assert from_json(noisy.to_json()) == noisy
    assert from_json(noisy.to_json()).inputs == noisy.inputs


def test_no_shapes_and_one_line_a_node(small):
    text = small.to_json()
    assert "shape" not in text.replace('"input_shape"', "")
    assert sum('"op"' in line for line in text.splitlines()) == len(small.nodes)


def changed(graph, change) -> str:
    data = json.loads(graph.to_json())
    change(data)
    return json.dumps(data)


REFUSED = {
    "another schema": (lambda d: d.update(schema=2), "has schema 2.*reads schema 1"),
    "a schema as text": (lambda d: d.update(schema="1"), "has schema '1'"),
    "no schema": (lambda d: d.pop("schema"), "has schema None"),
    "no name": (lambda d: d.pop("name"), "KeyError 'name'"),
    "no input shape": (lambda d: d.pop("input_shape"), "input_shape"),
    "no nodes": (lambda d: d.pop("nodes"), "nodes"),
    "no outputs": (lambda d: d.pop("outputs"), "outputs"),
    "a node without a name": (lambda d: d["nodes"][0].pop("name"), "name"),
    "a node without inputs": (lambda d: d["nodes"][0].pop("inputs"), "inputs"),
    "a node without attributes": (lambda d: d["nodes"][0].pop("attributes"), "attributes"),
    "an unknown op": (lambda d: d["nodes"][0].update(op="capsule"), "'conv' is a 'capsule'"),
    "an unknown attribute": (lambda d: d["nodes"][0]["attributes"].update(warp=9), "'conv' .*attributes: warp"),
    "a missing attribute": (lambda d: d["nodes"][0]["attributes"].pop("stride"), "'conv' .*attributes: stride"),
    "an attribute of another type": (
        lambda d: d["nodes"][0]["attributes"].update(kernel="wide"),
        r"'conv' \(conv\) cannot have the kernel \"wide\"",
    ),
    "half a channel": (
        lambda d: d["nodes"][0]["attributes"].update(out_channels=1.5),
        "cannot have the out_channels 1.5",
    ),
    "a bias that is text": (lambda d: d["nodes"][0]["attributes"].update(bias="no"), 'cannot have the bias "no"'),
    "a bias that is a number": (lambda d: d["nodes"][0]["attributes"].update(bias=1), "cannot have the bias 1"),
    "pads in half cells": (
        lambda d: d["nodes"][0]["attributes"].update(padding=[1, 1, 1, 0.5]),
        "cannot have the padding",
    ),
    "an epsilon of nan": (
        lambda d: d["nodes"][1]["attributes"].update(epsilon=float("nan")),
        "cannot have the epsilon",
    ),
    "an epsilon that is a list": (lambda d: d["nodes"][1]["attributes"].update(epsilon=[]), "cannot have the epsilon"),
    "an epsilon below 0": (lambda d: d["nodes"][1]["attributes"].update(epsilon=-1), "an epsilon above 0, not -1"),
    "a fraction above 1": (lambda d: d["nodes"][1]["attributes"].update(fraction=2), "fraction <= 1, not 2"),
    "an impossible attribute": (lambda d: d["nodes"][0]["attributes"].update(stride=[0, 0]), "conv"),
    "attributes as a list": (lambda d: d["nodes"][0].update(attributes=[]), "conv"),
    "nodes as text": (lambda d: d.update(nodes="conv"), "not a graph"),
    "a size that is no number": (lambda d: d.update(input_shape=["a", 8, 8]), "not three whole numbers"),
    "a size of nan": (lambda d: d.update(input_shape=[3, float("nan"), 8]), "not three whole numbers"),
    "a size as text": (lambda d: d.update(input_shape=["3", 8, 8]), r"input_shape \[\"3\", 8, 8\] is not three whole"),
    "a fraction as a size": (lambda d: d.update(input_shape=[3, 8.7, 8]), "not three whole numbers"),
    "a truth as a size": (lambda d: d.update(input_shape=[True, 8, 8]), "not three whole numbers"),
    "sizes by name": (lambda d: d.update(input_shape={"3": 1, "8": 1, "9": 1}), "not three whole numbers"),
    "an endless size": (lambda d: d.update(input_shape=[3, float("inf"), 8]), "not three whole numbers"),
    "a name that is a number": (lambda d: d.update(name=5), "the name 5 is not text"),
    "a node's name that is nothing": (lambda d: d["nodes"][0].update(name=None), "the name null is not text"),
    "a kernel of no sizes": (lambda d: d["nodes"][0]["attributes"].update(kernel=[]), "cannot have the kernel"),
    "a dangling node": (lambda d: d["nodes"][1].update(inputs=["nowhere"]), "'conv.bn' reads 'nowhere'"),
    "a loss weight of nan": (lambda d: d.update(loss_weights=[float("nan")]), "a loss weight is NaN"),
    "a cycle": (lambda d: d["nodes"][0].update(inputs=[d["nodes"][1]["name"]]), "cycle"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses(small, change, message):
    text = changed(small, change)
    with pytest.raises(GraphError, match=message) as caught:
        from_json(text, "there/net.json")
    assert "there/net.json" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


NO_GRAPHS = ["", "{", "no json", "[]", "null", "3", '"graph"', '{"schema": 1}', "[" * 10**5, b"\x93NUMPY"]


@pytest.mark.parametrize("text", NO_GRAPHS, ids=lambda text: repr(text[:10]))
def test_refuses_what_is_no_graph(text):
    with pytest.raises(GraphError, match=r"net\.json"):
        from_json(text, "net.json")
