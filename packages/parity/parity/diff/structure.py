"""Compares two graphs node by node, and says equal differences once.

Nodes are aligned by name. Nodes that only one graph has are told by the largest block that only it has.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from netspec import Graph, Node
from netspec.graph import attributes_of


@dataclass(frozen=True)
class Change:
    """What differs, as `padding`, and both texts; an empty one means that this side has nothing of it."""

    what: str
    a: str
    b: str


@dataclass(frozen=True)
class Changed:
    """The same changes at each of `nodes`, in the order of A; `changes` are those of the first.

    `alike`: those of the others name other inputs, which differ from the first's in the numbers of blocks and stages.
    """

    nodes: tuple[str, ...]
    changes: tuple[Change, ...]
    alike: bool = False


@dataclass(frozen=True)
class Surplus:
    """What only one side (`A` or `B`) has.

    `scopes` are blocks or single nodes, with names that differ only in numbers. `nodes` are all their nodes.
    """

    side: str
    scopes: tuple[str, ...]
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Structure:
    """All differences of two graphs; empty if they are equal."""

    changed: tuple[Changed, ...] = ()
    surplus: tuple[Surplus, ...] = ()

    @property
    def differs(self) -> bool:
        return bool(self.changed or self.surplus)


def compare_structure(a: Graph, b: Graph) -> Structure:
    """Compare ops, attributes and edges of the nodes that both have, and find the nodes that one has."""
    there, here = {node.name: node for node in b}, {node.name for node in a}
    found: dict[tuple[Change, ...], list[tuple[str, tuple[Change, ...]]]] = {}
    for node in a:
        if node.name in there and (changes := tuple(_changes(node, there[node.name]))):
            found.setdefault(tuple(map(_pattern, changes)), []).append((node.name, changes))
    changed = (
        Changed(tuple(name for name, _ in group), group[0][1], any(changes != group[0][1] for _, changes in group))
        for group in found.values()
    )
    return Structure(tuple(changed), (*_surplus("A", a, there.keys()), *_surplus("B", b, here)))


def written(value: Any) -> str:
    """An attribute as text: `3,3,3,3`, `1e-5`."""
    if isinstance(value, tuple):
        return ",".join(map(written, value))
    if isinstance(value, float):
        return re.sub(r"e([+-])0?(\d)", r"e\1\2", f"{value:g}").replace("e+", "e")
    return str(value)


def _changes(a: Node, b: Node) -> Iterable[Change]:
    if a.op.kind != b.op.kind:
        yield Change("op", a.op.kind.replace("_", " "), b.op.kind.replace("_", " "))
    else:
        others = attributes_of(b.op)
        for key, value in attributes_of(a.op).items():
            if value != others[key]:
                yield Change(key, written(value), written(others[key]))
    if a.inputs != b.inputs:
        yield Change("input", _sources(a), _sources(b))


def _sources(node: Node) -> str:
    """The node's inputs, by their names within its block."""
    scope = f"{node.name.rpartition('.')[0]}."
    return ",".join(source.removeprefix(scope) for source in node.inputs)


def _pattern(change: Change) -> Change:
    """Equal for changes that name inputs of blocks with other numbers."""
    if change.what != "input":
        return change
    return Change(change.what, _without_numbers(change.a), _without_numbers(change.b))


def _without_numbers(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _surplus(side: str, graph: Graph, others: Iterable[str]) -> list[Surplus]:
    """What the graph has and `others` have not, by the largest scope without any of theirs; like ones together."""
    names = set(others)
    shared = names | {scope for name in names for scope in _scopes(name)}
    found: dict[str, list[str]] = {}
    for name in (node.name for node in graph if node.name not in names):
        found.setdefault(next((scope for scope in _scopes(name) if scope not in shared), name), []).append(name)
    groups: dict[str, list[str]] = {}
    for scope in found:
        groups.setdefault(_without_numbers(scope), []).append(scope)
    return [
        Surplus(side, tuple(scopes), tuple(name for scope in scopes for name in found[scope]))
        for scopes in groups.values()
    ]


def _scopes(name: str) -> list[str]:
    """The scopes of a node from the outermost on: `a` and `a.b` of `a.b.c`."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]
