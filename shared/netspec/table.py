"""The zoo and single networks as tables for people and as JSON."""

import json
from collections.abc import Sequence
from typing import Any

from netspec.graph import Graph
from netspec.ops import Shape
from netspec.registry import Architecture


def text_of(shape: Shape) -> str:
    return "x".join(map(str, shape))


def rows(entries: Sequence[tuple[Architecture, Graph]]) -> list[dict[str, Any]]:
    """One mapping a network: name, family, paper, input, classes, trainable, total, macs."""
    return [
        {
            "name": entry.name,
            "family": entry.family,
            "paper": entry.paper,
            "input": list(graph.input_shape),
            "classes": entry.classes,
            "trainable": graph.num_trainable,
            "total": graph.num_total,
            "macs": graph.macs,
        }
        for entry, graph in entries
    ]


def as_json(entries: Sequence[tuple[Architecture, Graph]]) -> str:
    return json.dumps(rows(entries), indent=1)


def print_zoo(entries: Sequence[tuple[Architecture, Graph]]) -> None:
    """Every network with its native input and counts, for one image of that size."""
    table = _table("network", "family", "paper", "input", "classes", "trainable", "total", "MACs", numbers=4)
    for row in rows(entries):
        *words, trainable, total, macs = row.values()
        name, family, paper, shape, classes = words
        table.add_row(name, family, paper, text_of(shape), *(f"{n:,}" for n in (classes, trainable, total, macs)))
    table.caption = (
        f"{len(entries)} networks. total: trainable and running statistics. MACs: multiply-adds for one image."
    )
    _console().print(table)


def print_layers(graph: Graph) -> None:
    """Every node with its attributes, output shape, parameters and MACs."""
    table = _table("node", "op", "output", "parameters", "MACs", numbers=2)
    for node in graph:
        shapes = graph.input_shapes(node)
        params = sum(param.size for param in node.op.params(*shapes))
        macs = node.op.macs(*shapes)
        cells = [f"{n:,}" if n else "" for n in (params, macs)]
        table.add_row(node.name, node.op.label, text_of(graph.shapes[node.name]), *cells)
    table.title = f"{graph.name}, images {text_of(graph.input_shape)}"
    table.caption = f"{graph.num_trainable:,} trainable, {graph.num_total:,} in all, {graph.macs:,} MACs"
    _console().print(table)


def _console() -> Any:
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=160)


def _table(*columns: str, numbers: int) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        right = i >= len(columns) - numbers
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    return table
