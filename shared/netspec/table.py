"""The zoo as a table for people and as JSON."""

import json
from collections.abc import Sequence
from typing import Any

from netspec.graph import Graph
from netspec.labels import size_of
from netspec.registry import Architecture

COLUMNS = {  # of the list: what a row has, and what it is called
    "name": "network",
    "family": "family",
    "seed_row": "seed row",
    "paper": "paper",
    "input": "input",
    "classes": "classes",
    "trainable": "trainable",
    "total": "total",
    "macs": "MACs",
}
NUMBERS = ("classes", "trainable", "total", "macs")
WIDE = 120  # columns of a terminal that has room for all of them
Entries = Sequence[tuple[Architecture, Graph]]


def rows(entries: Entries) -> list[dict[str, Any]]:
    """One mapping a network: name, family, seed row, paper, input, classes, trainable, total, macs."""
    return [
        {
            "name": entry.name,
            "family": entry.family,
            "seed_row": entry.seed_row,
            "paper": entry.paper,
            "input": list(graph.input_shape),
            "classes": entry.classes,
            "trainable": graph.num_trainable,
            "total": graph.num_total,
            "macs": graph.macs,
        }
        for entry, graph in entries
    ]


def as_json(entries: Entries) -> str:
    return json.dumps(rows(entries), indent=1)


def print_zoo(entries: Entries, *, seed_rows: bool = False) -> None:
    """Every network with its native input and counts, for one image of that size; `seed_rows` takes a column more.

    A narrow terminal gets no family, paper and classes and, beside the seed rows, no input and MACs.
    """
    screen, left_out = console(), set() if seed_rows else {"seed_row"}
    if screen.width < WIDE:
        left_out |= {"family", "paper", "classes"} | ({"input", "macs"} if seed_rows else set())
    shown = [key for key in COLUMNS if key not in left_out]
    table = plain_table(*(COLUMNS[key] for key in shown), numbers=sum(key in NUMBERS for key in shown))
    table.columns[0].no_wrap = True
    for row in rows(entries):
        texts = row | {"input": size_of(row["input"])} | {key: f"{row[key]:,}" for key in NUMBERS}
        table.add_row(*(texts[key] for key in shown))
    count = "1 network" if len(entries) == 1 else f"{len(entries)} networks"
    table.caption = f"{count}. total: trainable and running statistics. MACs: multiply-adds for one image."
    screen.print(table)


def console() -> Any:
    """Where tables go: as wide as the terminal, and 160 columns in a pipe."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=160)


def plain_table(*columns: str, numbers: int) -> Any:
    """A table of text columns, the last `numbers` of them flush right. Long text is wrapped, numbers never are."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for i, column in enumerate(columns):
        number = i >= len(columns) - numbers
        table.add_column(column, justify="right" if number else "left", no_wrap=number, overflow="fold")
    return table
