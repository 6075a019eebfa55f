"""One block of a network: its spec, its diagram, and the handlers that build its ops in each framework.

The handlers' source is read without loading a framework.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from netspec import Graph
from netspec.blocks import inside, outermost
from netspec.diagram import Picture
from netspec.ops import snake_case
from netspec.recovery import with_blocks
from parity.titles import TITLES

FEWEST = 5  # nodes that are shown of a network without blocks


@dataclass(frozen=True)
class Handlers:
    """The source of the handlers of one kind of op, by the framework's name for people."""

    kind: str
    sources: dict[str, str]


def excerpt(graph: Graph) -> Picture:
    """The first block; of a network without blocks, its first nodes."""
    graph = with_blocks(graph)
    calls = outermost(graph.blocks)
    names = set(calls[0].nodes) if calls else {node.name for node in graph.nodes[:FEWEST]}
    inner = tuple(inside(calls[0], graph.blocks)) if calls else ()
    nodes = tuple(node for node in graph if node.name in names)
    outside = dict.fromkeys(source for node in nodes for source in node.inputs if source not in names)
    title = f"{calls[0].scope}: {calls[0].function.replace('_', ' ')}" if calls else f"{graph.name}: its first nodes"
    return Picture(title, nodes, inner, graph.shapes, {source: graph.shapes[source] for source in outside})


def kinds_of(part: Picture) -> list[str]:
    """The kinds of its ops, in the order of their first use."""
    return list(dict.fromkeys(node.op.kind for node in part))


def handlers(kinds: Sequence[str]) -> list[Handlers]:
    """The handlers of these kinds of ops, in each framework that is installed."""
    found = {title: sources for name, title in TITLES.items() if (sources := _sources(f"{name}_impl"))}
    return [
        Handlers(kind, {title: sources[kind] for title, sources in found.items() if kind in sources}) for kind in kinds
    ]


@cache
def _sources(package: str) -> dict[str, str]:
    """The source of each handler in `package.ops`, by the op's kind; empty if the package is not installed."""
    found = find_spec(package)
    if found is None or found.origin is None:
        return {}
    text = (Path(found.origin).parent / "ops.py").read_text(encoding="utf-8")
    sources = {}
    for node in ast.parse(text).body:
        for op in _built(node):
            sources[snake_case(op)] = "\n".join(text.splitlines()[_first(node) - 1 : node.end_lineno])
    return sources


def _built(node: ast.stmt) -> Iterator[str]:
    """The ops that a statement defines handlers of: those in its decorators `@builds(ops.Conv)`."""
    for mark in getattr(node, "decorator_list", []):
        if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "builds":
            yield from (part.attr for part in mark.args if isinstance(part, ast.Attribute))


def _first(node: ast.stmt) -> int:
    return min(mark.lineno for mark in node.decorator_list) if isinstance(node, ast.FunctionDef) else node.lineno
