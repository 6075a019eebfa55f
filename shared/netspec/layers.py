"""One network as a table: every layer with its shape and counts, and the sums of blocks and stages."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from netspec.blocks import Part, parts
from netspec.graph import Graph, Node
from netspec.labels import label, size_of
from netspec.table import COUNTS, Column, Row, print_table

COLUMNS = [
    Column("layer"),
    Column("op", wraps=True),
    Column("output"),
    *(Column(title, number=True) for title in ("trainable", "total", "MACs")),
]


def print_layers(graph: Graph) -> None:
    """Print every node with its op, output shape, parameters and MACs.

    The line of a stage or block shows the sums of the lines below it.
    """
    rows: list[Row] = []
    for stage, group in groupby(parts(graph), key=lambda part: part.stage):
        rows += _stage(graph, stage, list(group))
        rows[-1] = replace(rows[-1], ends=True)
    statistics = graph.num_total - graph.num_trainable
    sums = f"{graph.num_trainable:,} trainable, {statistics:,} running statistics, {graph.num_total:,} in all"
    title = f"{graph.name}, images {size_of(graph.input_shape)}"
    print_table((COLUMNS, rows), title=title, caption=f"{sums}, {graph.macs:,} MACs. {COUNTS}")


def _stage(graph: Graph, stage: str, group: list[Part]) -> Iterator[Row]:
    counted = sum(any(counts_of(graph, [node])) for part in group for node in part.nodes)
    headed = len(group) > 1 if any(part.call for part in group) else counted > 1
    if headed:
        yield _row(graph, 0, stage, "stage", [node for part in group for node in part.nodes], style="bold cyan")
    for part in group:
        depth = int(headed)
        if part.call:
            yield _row(graph, depth, part.call.scope, part.call.function, part.nodes, style="bold")
            depth += 1
        for node in part.nodes:
            yield _row(graph, depth, node.name, label(node.op), [node])


def _row(graph: Graph, depth: int, name: str, what: str, nodes: Iterable[Node], style: str = "") -> Row:
    """The last node's shape and the sums over all nodes; zeros are left empty."""
    nodes = list(nodes)
    counts = (f"{count:,}" if count else "" for count in counts_of(graph, nodes))
    return Row([f"{'  ' * depth}{name}", what, size_of(graph.shapes[nodes[-1].name]), *counts], style)


def counts_of(graph: Graph, nodes: Iterable[Node]) -> tuple[int, int, int]:
    """Trainable parameters, all parameters with running statistics, and MACs."""
    trainable = total = macs = 0
    for node in nodes:
        shapes = graph.input_shapes(node)
        params = node.op.params(*shapes)
        trainable += sum(param.size for param in params if param.trainable)
        total += sum(param.size for param in params)
        macs += node.op.macs(*shapes)
    return trainable, total, macs
