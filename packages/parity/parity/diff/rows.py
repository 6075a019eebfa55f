"""Every node of both as a row: op, shape, and how far weights and values are apart."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from netspec.diagram import Picture
from netspec.labels import label, size_of
from parity.diff.findings import Findings
from parity.diff.union import kinds_of, level_of


@dataclass(frozen=True)
class Row:
    """A node. `ops` and `shapes` have one text, or those of A and B if they differ.

    `weights` and `error` are relative differences: None where there was nothing to compare, infinite for other shapes.
    `kind` is that of the diagram.
    """

    name: str
    ops: tuple[str, ...]
    shapes: tuple[str, ...]
    weights: float | None
    error: float | None
    kind: str
    level: int


def rows(findings: Findings, both: Picture) -> Iterator[Row]:
    """The rows, in the order of the diagram."""
    kinds = kinds_of(findings)
    errors = {part.node: part.value for part in findings.values.nodes}
    weights: dict[str, float] = {}
    for name, value in findings.weights.differing:
        owner = name.rpartition(".")[0]
        weights[owner] = max(weights.get(owner, 0.0), value)
    weights |= {name.rpartition(".")[0]: math.inf for name, _, _ in findings.weights.reshaped}
    graphs = [side.graph for side in (findings.a, findings.b) if side.graph is not None]
    ops = [{node.name: label(node.op) for node in graph} for graph in graphs]
    shapes = [{node.name: size_of(graph.shapes[node.name]) for node in graph} for graph in graphs]
    owned = {name.rpartition(".")[0] for graph in graphs for name in graph.params} if findings.weights.common else set()
    for node in both:
        error = errors.get(node.name)
        same = 0.0 if node.name in owned and not kinds.get(node.name, "").startswith("only") else None
        yield Row(
            node.name,
            _texts(ops, node.name),
            _texts(shapes, node.name),
            weights.get(node.name, same),
            error,
            kinds.get(node.name, ""),
            0 if error is None else level_of(error, findings.values.limit),
        )


def _texts(sides: Sequence[Mapping[str, str]], name: str) -> tuple[str, ...]:
    """The text of a node on each side that has it, equal ones once."""
    return tuple(dict.fromkeys(side[name] for side in sides if name in side))
