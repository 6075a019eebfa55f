"""One network as a table: every layer with its shape and counts, and the sums of blocks and stages."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from netspec.blocks import Part, parts
from netspec.graph import Graph, Node
from netspec.labels import label, size_of
from netspec.table import console, plain_table


def print_layers(graph: Graph) -> None:
    """Every node with what it does, its output shape, parameters and MACs.

    The line of a stage or block says what those below it sum up to.
    """
    table = plain_table("layer", "op", "output", "parameters", "MACs", numbers=2)
    for stage, group in groupby(parts(graph), key=lambda part: part.stage):
        _add_stage(table, graph, stage, list(group))
    table.title = f"{graph.name}, images {size_of(graph.input_shape)}"
    table.caption = f"{graph.num_trainable:,} trainable, {graph.num_total:,} in all, {graph.macs:,} MACs"
    console().print(table)


def _add_stage(table: Any, graph: Graph, stage: str, group: list[Part]) -> None:
    counted = sum(any(counts_of(graph, [node])) for part in group for node in part.nodes)
    headed = len(group) > 1 if any(part.call for part in group) else counted > 1
    if headed:
        nodes = [node for part in group for node in part.nodes]
        table.add_row(stage, "stage", *_figures(graph, nodes), style="bold cyan")
    for part in group:
        depth = int(headed)
        if part.call:
            name = _indented(part.call.scope, depth)
            table.add_row(name, part.call.function, *_figures(graph, part.nodes), style="bold")
            depth += 1
        for node in part.nodes:
            table.add_row(_indented(node.name, depth), label(node.op), *_figures(graph, [node]))
    table.add_section()


def _indented(name: str, depth: int) -> Any:
    """A name that keeps its distance from the left also where it is folded."""
    from rich.padding import Padding

    return Padding(name, (0, 0, 0, 2 * depth))


def _figures(graph: Graph, nodes: Iterable[Node]) -> list[str]:
    """Cells of the last node's shape and of the sums over all; empty in place of nought."""
    nodes = list(nodes)
    return [size_of(graph.shapes[nodes[-1].name]), *(f"{n:,}" if n else "" for n in counts_of(graph, nodes))]


def counts_of(graph: Graph, nodes: Iterable[Node]) -> tuple[int, int]:
    """Parameters, running statistics among them, and MACs."""
    params = macs = 0
    for node in nodes:
        shapes = graph.input_shapes(node)
        params += sum(param.size for param in node.op.params(*shapes))
        macs += node.op.macs(*shapes)
    return params, macs
