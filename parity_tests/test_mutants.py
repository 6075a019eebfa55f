"""The proof is tested: faults of all catalogues are found and named, and what survives is shown to be no fault."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from family_networks import ONE_OF_A_FAMILY
from netspec import Graph, architecture, functional as f, initial_weights, trace
from netspec.reduce import reduced
from parity.examples import EXAMPLES, example
from parity.mutants.equal import same_function, strides_first
from parity.mutants.judging import Judge, Outcome
from parity.mutants.mutant import Mutant
from parity.mutants.places import FAULTS, Planted, drawn, mutants_of, places
from parity.mutants.record import Record, Row
from parity.mutants.step_faults import STEP_FAULTS
from parity.mutants.steps import step_outcomes
from parity.mutants.testing import MOST, networks, proved, try_graph
from parity.subject import Build


def pooled(x):
    """A network that takes a pool of another size."""
    return f.linear(f.global_avg_pool(f.max_pool(f.conv(x, 4, 3, name="stem"), 3, 2, ceil=True)), 5, name="fc")


def candidates() -> Iterator[Graph]:
    yield from map(example, EXAMPLES)
    yield trace("pooled", (3, 8, 8), pooled)
    yield reduced("resnet20")


@cache
def first_mutants() -> dict[str, tuple[Graph, Mutant]]:
    """For each fault, the first small graph that can have it, with the mutant."""
    found: dict[str, tuple[Graph, Mutant]] = {}
    for graph in candidates():
        for fault, mutants in mutants_of(graph, initial_weights(graph)).items():
            found.setdefault(fault, (graph, mutants[0]))
    return found


judge_of = cache(Judge)


@pytest.mark.parametrize("fault", FAULTS)
def test_found_and_named_in_every_side(fault: str) -> None:
    """The mutant has the place of the first one, but the weights of the comparison."""
    graph, first = first_mutants()[fault]
    judge = judge_of(graph)
    mutant = next(one for one in mutants_of(graph, judge.one.weights)[fault] if one.node == first.node)
    for side in mutant.sides:
        outcome = judge.outcome(Planted(mutant, side))
        assert outcome.killed_by, f"{side}: survived"
        assert outcome.named, f"{side}: {outcome.killed_by}: {outcome.where}"


def test_at_most_three_of_a_fault_and_all_sides_take_turns() -> None:
    graph = reduced("resnet20")
    planted = drawn(graph, initial_weights(graph), most=MOST)
    faults = [one.mutant.fault for one in planted]
    assert max(map(faults.count, faults)) == MOST
    assert len(planted) < len(drawn(graph, initial_weights(graph)))
    assert {one.side for one in planted} == {"torch", "keras", "onnx"}


def test_a_repeated_block_is_one_place() -> None:
    assert len(places(architecture("resnet20"))) == len(places(reduced("resnet20"))) < len(reduced("resnet20").nodes)


def twins(names: tuple[str, str] = ("left", "right")) -> Graph:
    """Two convolutions of the image whose sum does not depend on which is which."""

    def network(x):
        both = f.add(*(f.conv(x, 4, 3, bias=False, name=name) for name in names))
        return f.linear(f.global_avg_pool(f.relu(both)), 5, name="fc")

    return trace("twins", (3, 8, 8), network)


def test_a_fault_that_changes_nothing_is_proved_equal() -> None:
    """In the frameworks, a training step shows which kernel has which name. In an ONNX file nothing does."""
    judge = judge_of(twins())
    mutant = mutants_of(judge.one.graph, judge.one.weights)["equal-shaped kernels swapped"][0]
    found = {side: judge.outcome(Planted(mutant, side)) for side in mutant.sides}
    assert {side: (one.killed_by, one.named, one.equal) for side, one in found.items()} == {
        "torch": ("step", True, False),
        "keras": ("step", True, False),
        "onnx": ("", False, True),
    }
    assert not found["onnx"].survived


def strided(first: int, second: int, kernel: int = 1, second_reader: bool = False) -> Build:
    """A convolution, ops on single values and a convolution, with these strides."""

    def network(x):
        x = f.conv_bn(x, 4, 3, first, name="first")
        y = f.conv(x, 4, kernel, second, name="second")
        if second_reader:
            y = f.add(y, f.max_pool(x, 1, second))
        return f.linear(f.global_avg_pool(y), 5, name="fc")

    graph = trace("strided", (3, 9, 9), network)
    return Build(graph, initial_weights(graph))


def test_a_stride_before_ops_on_single_values() -> None:
    """The same function at inference alone: in training, a norm sees more values. Not with a wider kernel, and not if
    another op reads what lies between."""
    assert same_function(strided(2, 1), strided(1, 2), inference=True)
    assert not same_function(strided(2, 1), strided(1, 2), inference=False)
    assert not same_function(strided(2, 1, kernel=3), strided(1, 2, kernel=3), inference=True)
    assert strides_first(strided(1, 2, second_reader=True).graph) == strided(1, 2, second_reader=True).graph
    judge = judge_of(strided(2, 1).graph)
    mutant = mutants_of(judge.one.graph, judge.one.weights)["stride on another convolution"][0]
    found = {side: judge.outcome(Planted(mutant, side)) for side in ("torch", "onnx")}
    assert (found["torch"].killed_by, found["torch"].named) == ("gradients", True)
    assert (found["onnx"].killed_by, found["onnx"].equal) == ("", True)


def test_no_proof_where_something_differs() -> None:
    """Weights, an attribute, the order of a concat, what follows the logits."""
    graph = twins()
    weights = initial_weights(graph)
    right = Build(graph, weights)

    def proved(other: Build) -> bool:
        return same_function(right, other, inference=True)

    assert proved(Build(twins(("right", "left")), weights))
    assert not proved(Build(graph, weights | {"fc.bias": weights["fc.bias"] + 1}))
    assert not proved(Build(reduced("lenet5"), initial_weights(reduced("lenet5"))))
    assert not proved(replace(right, after=abs))


def test_a_survivor_is_reported(tmp_path) -> None:
    outcomes = [
        Outcome("net", "pad moved", "keras", "conv1", "float64", "...'conv1'...", True),
        Outcome("net", "epsilon", "torch", "bn", "", "", False),
        Outcome("net", "concat order", "onnx", "cat", "", "", False, equal=True),
        Outcome("net", "slope", "onnx", "act", "onnx", "...'elsewhere'...", False),
    ]
    row = Row("net", False, tuple(outcomes), 1.0)
    assert not row.sound
    assert not Row("net", False, (), 1.0).sound
    record = Record(tmp_path)
    record.add(twins(), row)
    assert Record(tmp_path).find(twins(), False) == row
    assert Record(tmp_path).find(twins(), True) is None
    table = record.write_table([row]).read_text()
    assert "4 mutants: 2 killed, 1 proved to compute the same function, 1 survived. 1 of those" in table
    assert "**net, torch: epsilon at 'bn': survived**" in table
    assert "net, onnx: slope at 'act': onnx: ...'elsewhere'..." in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--mutants",), "needs names of networks, or --all"),
        (("lenet5", "--mutants", "--native"), "leave --jobs, --native and --weights out"),
        (("op.linear", "--mutants"), "op.linear"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments: tuple[str, ...], message: str) -> None:
    done = subprocess.run([sys.executable, "-m", "parity", *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


def test_a_network_that_flattens_a_map_can_flatten_it_in_another_order() -> None:
    assert "flatten order" in mutants_of(reduced("lenet5"), initial_weights(reduced("lenet5")))


@pytest.mark.long
def test_every_fault_has_a_place_in_a_network() -> None:
    graphs = [reduced(name) for name in networks()]
    assert set().union(*(mutants_of(graph, initial_weights(graph)) for graph in graphs)) == set(FAULTS)


def test_mutants_that_are_named_wrong_are_a_failure() -> None:
    """Up to one of twenty may be."""
    right = Outcome("net", "epsilon", "torch", "bn", "float64", "...'bn'...", True)
    wrong = replace(right, named=False)
    assert proved([Row("net", False, (right,) * 19 + (wrong,), 1.0)])
    assert not proved([Row("net", False, (right,) * 18 + (wrong,), 1.0)])
    assert not proved([])


@pytest.mark.long
@pytest.mark.parametrize("name", ONE_OF_A_FAMILY.values())
def test_every_family(name: str) -> None:
    assert proved([try_graph(reduced(name), most=MOST)])


@pytest.mark.long
def test_every_fault_of_a_step() -> None:
    outcomes = list(step_outcomes(reduced("resnet20")))
    assert len(outcomes) == sum(len(fault.plants) for fault in STEP_FAULTS.values())
    assert not [outcome for outcome in outcomes if not outcome.named]
