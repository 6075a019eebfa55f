"""Where faults are planted: one node of each kind of place in a network."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netspec import Graph, Node
from netspec.graph import attributes_of
from netspec.init import stream
from parity.mutants.graph_faults import GRAPH_FAULTS, wrong_graphs
from parity.mutants.mutant import Fitted, Mutant
from parity.mutants.weight_faults import WEIGHT_FAULTS, wrong_weights
from parity.subject import Build

WIDTHS = ("out_channels", "out_features", "start", "stop", "groups")  # do not make another kind of place
SOFTMAX = "softmax added"
FAULTS = (SOFTMAX, *GRAPH_FAULTS, *WEIGHT_FAULTS)


@dataclass(frozen=True)
class Planted:
    """A mutant, and the implementation that it is planted in."""

    mutant: Mutant
    side: str


def places(graph: Graph) -> list[Node]:
    """The first node of each kind: the same line of the same block function, with the same attributes but widths."""
    innermost = {name: call for call in graph.blocks for name in call.nodes}  # inner calls come after outer ones
    found: dict[object, Node] = {}
    for node in graph:
        call = innermost.get(node.name)
        line = (call.function, node.name.removeprefix(call.scope)) if call else node.name
        attributes = tuple((key, value) for key, value in attributes_of(node.op).items() if key not in WIDTHS)
        found.setdefault((line, node.op.kind, attributes), node)
    return list(found.values())


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    probabilities: np.ndarray = powers / powers.sum(1, keepdims=True)
    return probabilities


def mutants_of(graph: Graph, weights: Mapping[str, np.ndarray]) -> dict[str, list[Mutant]]:
    """All mutants of a graph and of its weights, by fault, in the order of the nodes."""
    last = graph.outputs[0]
    found = {SOFTMAX: [Mutant(SOFTMAX, last, Build(graph, weights, softmax))]}
    for node in places(graph):
        for fault, wrong, sides in wrong_graphs(graph, node):
            mutant = Mutant(fault, node.name, Build(wrong, Fitted(wrong, weights, {})), sides)
            found.setdefault(fault, []).append(mutant)
        for fault, changed in wrong_weights(graph, node, weights):
            mutant = Mutant(fault, node.name, Build(graph, Fitted(graph, weights, changed)))
            found.setdefault(fault, []).append(mutant)
    return found


def drawn(graph: Graph, weights: Mapping[str, np.ndarray], seed: int = 0, *, most: int | None = None) -> list[Planted]:
    """The mutants of a graph, or `most` of each fault, at places drawn by `seed`. The sides take turns."""
    planted: list[Planted] = []
    for fault, mutants in mutants_of(graph, weights).items():
        order = stream(seed, f"{graph.name} {fault}").permutation(len(mutants))
        for index in sorted(order[:most]):
            mutant: Mutant = mutants[index]
            planted.append(Planted(mutant, mutant.sides[len(planted) % len(mutant.sides)]))
    return planted
