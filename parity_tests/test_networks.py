"""The default parity run, network by network, and native exports.

The quick tests count every network, and compare as few as have every form of op and every family. They export shallow
networks, and examples of the ops that these do not have. The long ones compare and export all networks, as
`nox -s parity` compares them.
"""

from functools import cache

import pytest

import parity.comparisons
from family_networks import cover, is_shallow
from netspec import Graph, architecture
from netspec.graph import attributes_of
from netspec.reduce import reduced
from netspec.registry import find, list_architectures
from parity.check import CHECKS, Comparison, check, float32_forward, judge_counts
from parity.comparisons import OPS, default_comparisons, reduced_comparisons
from parity.counting import of_layers, of_models
from parity.examples import EXAMPLES, example
from parity.goldens import expected, goldens
from parity.lightest import distinct
from parity.runners import KerasRunner, OnnxRunner
from parity.subject import subject

COPIES = {name: distinct(name) for name in list_architectures()}
EQUAL = {  # for every network, those that reduce to the same graph
    name: tuple(other for other, drawn in COPIES.items() if (drawn.nodes, drawn.outputs) == (copy.nodes, copy.outputs))
    for name, copy in COPIES.items()
}
WIDTHS = {"out_channels", "out_features", "channels", "groups", "start", "stop", "rate", "survival"}


def size_of(item: pytest.Item) -> int:
    """Parameters that a test compares, by which the tests are ordered."""
    name = item.callspec.params.get("name") if hasattr(item, "callspec") else None
    return COPIES[name].num_total if name else 0


@cache
def comparisons_of(names: tuple[str, ...]) -> dict[str, Comparison]:
    return dict(zip(names, reduced_comparisons(names), strict=True))


def ops_of(graph: Graph) -> set[object]:
    """An op with groups and one without are two, and so are an activation's functions."""
    return {(node.op.kind, getattr(node.op, "groups", 1) > 1, getattr(node.op, "fn", "")) for node in graph}


def forms_of(graph: Graph) -> set[object]:
    """The network's family, and every op with all that it says but widths and rates."""
    forms: set[object] = {find(graph.name).family}
    for node in graph:
        said = {key: value for key, value in attributes_of(node.op).items() if key not in WIDTHS}
        forms.add((node.op.kind, getattr(node.op, "groups", 1) > 1, *said.items()))
    return forms


EXPORTED = [name for name in cover(ops_of) if is_shallow(COPIES[name])]


def other_ops() -> list[str]:
    """Examples of the ops of the zoo that the networks `EXPORTED` do not have, one for each."""
    missing = set().union(*map(ops_of, COPIES.values())).difference(*(ops_of(COPIES[name]) for name in EXPORTED))
    by_op = {op: name for name in EXAMPLES for op in ops_of(example(name))}
    return sorted({by_op[op] for op in missing})


def all_networks(quick: list[str]) -> list[object]:
    """Every network, with those that reduce to one graph in a group. All but the `quick` ones take long."""
    long = {name: [] if name in quick else [pytest.mark.long] for name in COPIES}
    group = {name: pytest.mark.xdist_group(EQUAL[name][0]) for name in COPIES}
    return [pytest.param(name, marks=[group[name], *long[name]]) for name in COPIES]


@pytest.fixture(scope="session")
def done():
    """Results of graphs that were compared: networks that reduce to the same one are compared once.

    Each process that tests has its own, which is why these networks are a group.
    """
    return {}


def test_all_are_there(monkeypatch):
    monkeypatch.setattr(parity.comparisons, "reduced", distinct)
    assert {comparison.network.name for comparison in default_comparisons()} == {*OPS, *list_architectures()}
    assert len(goldens()) > 100
    assert goldens().keys() <= set(list_architectures())


@pytest.mark.parametrize("name", COPIES)
def test_counts(name):
    """At full size, of every network."""
    network = architecture(name)
    assert judge_counts(network, of_layers(network), expected(name)).passed


@pytest.mark.parametrize("name", all_networks(quick=cover(forms_of)))
def test_parity(name, done):
    """Counts at full size; outputs, gradients, statistics and a step of the reduced copy."""
    results = list(check(comparisons_of(EQUAL[name])[name], expected=expected(name), done=done))
    assert [result.check for result in results] == [check for check in CHECKS if check != "float32"]
    assert not [result for result in results if not result.passed]


@pytest.mark.parametrize("name", all_networks(quick=EXPORTED))
def test_native_exports(name):
    """All six ways to the logits: frameworks, the ONNX builder with the weights of each, and their own exporters."""
    export_in_six_ways(reduced(name))


@pytest.mark.parametrize("op", other_ops())
def test_native_exports_of_ops(op):
    export_in_six_ways(example(op))


def export_in_six_ways(graph):
    one = subject(graph)
    result = float32_forward(one, one.frameworks("float32"), native=True)
    assert result.passed, result.where


def test_counts_of_layers_are_those_of_models():
    for name in ("lenet5", "seresnext29_4x64d"):
        one = subject(reduced(name))
        built = of_models(one.frameworks("float32"), one.onnx())
        assert built == of_layers(one.graph)
        assert set(built.values()) == {(one.graph.num_trainable, one.graph.num_total)}


def test_a_surplus_variable_in_keras_is_counted(monkeypatch, mixed):
    import keras_impl.layers

    build = keras_impl.layers.BatchNormalization.build

    def with_a_mask(layer, input_shape):
        layer.mask = layer.add_weight(shape=(7,), trainable=False, name="mask")
        build(layer, input_shape)

    monkeypatch.setattr(keras_impl.layers.BatchNormalization, "build", with_a_mask)
    built = KerasRunner(mixed, subject(mixed).weights, "float32")
    assert built.num_params() == (mixed.num_trainable, mixed.num_total + 7)


def test_the_states_of_draws_are_no_parameters():
    graph = example("dropout.map")
    built = KerasRunner(graph, subject(graph).weights, "float32")
    assert len(built.model.variables) > len(built.model.weights)
    assert built.num_params() == (graph.num_trainable, graph.num_total)


def test_initializers_are_counted_by_their_own_dims(mixed):
    built = OnnxRunner(mixed, subject(mixed).weights)
    assert built.num_params() == (mixed.num_trainable, mixed.num_total)
    (bias,) = (tensor for tensor in built.model.graph.initializer if tensor.name == "fc.bias")
    bias.dims[0] += 7
    assert built.num_params() == (mixed.num_trainable + 7, mixed.num_total + 7)


def test_a_plan_of_the_whole_counts_models():
    graph = reduced("lenet5")
    results = list(check(Comparison(graph, graph, graph)))
    assert [result.check for result in results] == list(CHECKS)
    assert all(result.passed for result in results)
