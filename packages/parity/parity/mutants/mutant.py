"""A mutant: a network with one fault, and the node that a report has to name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from netspec import Graph, Node
from netspec.ops import Op
from parity.frameworks import FRAMEWORKS
from parity.subject import Build

SIDES = (*FRAMEWORKS, "onnx")


@dataclass(frozen=True)
class Mutant:
    """`fault` is the name in the catalogue. The fault shows in `sides`: those of training are not in an ONNX file."""

    fault: str
    node: str
    build: Build
    sides: tuple[str, ...] = SIDES


def with_nodes(graph: Graph, changed: Mapping[str, Node]) -> Graph:
    """The graph with some nodes replaced. Raises `ShapeError` or `GraphError` if that is not a network."""
    return replace(graph, nodes=tuple(changed.get(node.name, node) for node in graph))


def with_op(graph: Graph, node: Node, op: Op) -> Graph:
    return with_nodes(graph, {node.name: replace(node, op=op)})


class Fitted(Mapping[str, np.ndarray]):
    """The weights that `graph` has: those in `changed`, and all others from `weights`, of which no copy is made."""

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray], changed: Mapping[str, np.ndarray]) -> None:
        self.names, self.weights, self.changed = list(graph.params), weights, changed

    def __getitem__(self, name: str) -> np.ndarray:
        return self.changed[name] if name in self.changed else self.weights[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
