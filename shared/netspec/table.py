"""The zoo as a table and as JSON, and the printing of every table. Names are never broken."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import TextWrapper
from typing import Any

from netspec.graph import Graph
from netspec.labels import size_of
from netspec.registry import Entry

COLUMNS = {  # of the list: keys of a row, and their titles
    "name": "network",
    "family": "family",
    "origin": "origin",
    "paper": "paper",
    "input": "input",
    "classes": "classes",
    "trainable": "trainable",
    "total": "total",
    "macs": "MACs",
}
NUMBERS = ("classes", "trainable", "total", "macs")
NARROW = {"family", "paper", "classes"}  # columns left out on a narrow terminal
COUNTS = "total: trainable and running statistics. MACs: multiply-adds for one image."
UNBROKEN = "\xa0"  # a space where lines do not break
Entries = Sequence[tuple[Entry, Graph]]


@dataclass(frozen=True)
class Column:
    """A title; whether the column holds numbers, and whether its text may wrap. The first column holds names."""

    title: str
    number: bool = False
    wraps: bool = False


@dataclass(frozen=True)
class Row:
    """Cells, the name first; their `rich` style; and whether a group of rows ends here."""

    cells: Sequence[str]
    style: str = ""
    ends: bool = False


def rows(entries: Entries) -> list[dict[str, Any]]:
    """One mapping per network: name, family, origin, paper, input, classes, trainable, total, macs."""
    return [
        {
            "name": entry.name,
            "family": entry.family,
            "origin": entry.origin,
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


def print_zoo(entries: Entries, *, origin_rows: bool = False) -> None:
    """Print every network with its native input size and the counts at that size; `origin_rows` adds a column.

    A narrow terminal gets no family, paper and classes; with `origin_rows` it also gets no input and MACs.
    """
    left_out = set() if origin_rows else {"origin"}
    every = [key for key in COLUMNS if key not in left_out]
    fewer = [key for key in every if key not in NARROW | ({"input", "macs"} if origin_rows else set())]
    columns = {key: Column(title, number=key in NUMBERS, wraps=key == "origin") for key, title in COLUMNS.items()}
    texts = [
        row | {"input": size_of(row["input"])} | {key: f"{row[key]:,}" for key in NUMBERS} for row in rows(entries)
    ]
    forms = [
        ([columns[key] for key in keys], [Row([text[key] for key in keys]) for text in texts])
        for keys in (every, fewer)
    ]
    count = "1 network" if len(entries) == 1 else f"{len(entries)} networks"
    print_table(*forms, caption=f"{count}. {COUNTS}")


def console() -> Any:
    """The console for tables: as wide as the terminal, or unlimited in a pipe."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=10**5)


def print_table(*forms: tuple[Sequence[Column], Sequence[Row]], title: str = "", caption: str = "") -> None:
    """Print the first of `forms` that fits the terminal; if none fits, print the last as a list.

    Names and numbers are never broken.
    """
    from rich.text import Text

    screen = console()
    for columns, lines in forms:
        table = _table(columns, lines)
        if screen.measure(table, options=screen.options.update(width=10**5)).minimum <= screen.width:
            table.title, table.caption = (Text(text) if text else None for text in (title, caption))
            screen.print(table)
            return
    for line in (*([title, ""] if title else []), *_listed(*forms[-1], screen.width), "", caption):
        screen.print(line, soft_wrap=True, markup=False)


def _table(columns: Sequence[Column], lines: Sequence[Row]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in columns:
        table.add_column(column.title, justify="right" if column.number else "left", no_wrap=not column.wraps)
    for line in lines:
        table.add_row(*map(Text, line.cells), style=line.style, end_section=line.ends)
    return table


def _listed(columns: Sequence[Column], lines: Iterable[Row], width: int) -> Iterator[Any]:
    """The name of each row on its own line, followed by its other cells, each number with its title."""
    from rich.text import Text

    for line in lines:
        name, *others = line.cells
        yield Text(name, line.style)
        cells = [(column, cell) for column, cell in zip(columns[1:], others, strict=True) if cell]
        parts = [f"{column.title} {cell}" if column.number else cell for column, cell in cells]
        kept = [
            part if column.wraps else part.replace(" ", UNBROKEN)
            for (column, _), part in zip(cells, parts, strict=True)
        ]
        margin = " " * (len(name) - len(name.lstrip()) + 4)
        wrapper = TextWrapper(
            width, initial_indent=margin, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
        )
        for text in wrapper.wrap("; ".join(kept)):
            yield Text(text.replace(UNBROKEN, " "))
