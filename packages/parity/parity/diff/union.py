"""Two graphs as one, for a picture: the nodes of both, with marks for what only one has and for what differs."""

from collections.abc import Mapping
from dataclasses import replace

from netspec import Graph, Node
from netspec.diagram import Marks, Picture
from netspec.graph import BlockCall
from netspec.recovery import with_blocks
from parity.diff.findings import Findings

DECADES = (1e-12, 1e-6, 1e-3, 1e-1)  # a node's level counts those that its error reaches, at least 1 beyond the limit


def union(a: Graph, b: Graph) -> Picture:
    """The nodes of A in their order, and those that only B has, each ahead of the next node of B that both have.

    A node that both have is A's, and reads what it reads in either.
    """
    a, b = with_blocks(a), with_blocks(b)
    there = {node.name: node for node in b}
    nodes = {node.name: _joined(node, there.get(node.name)) for node in a}
    order: list[Node] = []
    ahead: dict[str, list[Node]] = {}
    waiting: list[Node] = []
    for node in b:
        if node.name in nodes:
            ahead[node.name], waiting = waiting, []
        else:
            waiting.append(node)
    for name, node in nodes.items():
        order += [*ahead.get(name, ()), node]
    order += waiting
    places = {node.name: place for place, node in enumerate(order)}
    name = a.name if a.name == b.name else f"{a.name} and {b.name}"
    shapes = {**b.shapes, **a.shapes}
    return Picture(name, tuple(order), _blocks(a, b, places), shapes, {**b.inputs, **a.inputs})


def _joined(a: Node, b: Node | None) -> Node:
    inputs = (*a.inputs, *(b.inputs if b else ()))
    return replace(a, inputs=tuple(dict.fromkeys(inputs)))


def _blocks(a: Graph, b: Graph, places: Mapping[str, int]) -> tuple[BlockCall, ...]:
    """The calls of both, with the nodes of both in a scope that both have; each before those inside it."""
    calls: dict[str, BlockCall] = {}
    for call in (*a.blocks, *b.blocks):
        known = calls.get(call.scope, call)
        together = sorted({*known.nodes, *call.nodes}, key=lambda name: places[name])
        calls[call.scope] = replace(known, nodes=tuple(together))
    return tuple(sorted(calls.values(), key=lambda call: (places[call.nodes[0]], -len(call.nodes))))


def kinds_of(findings: Findings) -> dict[str, str]:
    """What is said of the nodes: `changed`, `only-a` or `only-b`."""
    if findings.structure is None:
        return {}
    kinds = {name: "changed" for part in findings.structure.changed for name in part.nodes}
    for part in findings.structure.surplus:
        kinds |= dict.fromkeys(part.nodes, f"only-{part.side.lower()}")
    return kinds


def level_of(error: float, limit: float) -> int:
    """0 within the limit, and 1 to 4 by the error's size."""
    return 0 if error <= limit else max(1, sum(not error < decade for decade in DECADES))


def marks_of(findings: Findings) -> Marks:
    """The marks of a drawing of `union`."""
    limit = findings.values.limit
    levels = {part.node: level_of(part.value, limit) for part in findings.values.nodes}
    return Marks(kinds_of(findings), levels)
