"""The figures that the origins and others publish, from `published.toml`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from netspec.registry import origin_rows

DATA = "cifar10"  # what the names of the data sets begin with on which the figures were measured


@dataclass(frozen=True)
class Published:
    """A row of an origin's table. `top1` in percent; `recipe` is the recipe of this project that trains the row.

    `network` is the architecture, where `netspec/origin_rows.toml` does not say it.
    """

    origin: str
    row: str
    top1: float
    source: str
    recipe: str | None = None
    network: str | None = None

    def __str__(self) -> str:
        return f"{self.top1:.2f} ({self.origin}: {self.row})"


@cache
def published() -> tuple[Published, ...]:
    """Every published figure."""
    tables = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
    return tuple(
        Published(origin, entry["row"], entry["top1"], table["source"], entry.get("recipe"), entry.get("network"))
        for origin, table in tables.items()
        for entry in table["rows"]
    )


def published_for(network: str, recipe: str, data: str) -> tuple[Published, ...]:
    """The figures to put beside a run of an architecture: those of its recipe, otherwise those of the network itself.

    Empty for data sets other than CIFAR-10. `network` is the name without options.
    """
    if not data.startswith(DATA):
        return ()
    of_recipe = tuple(figure for figure in published() if figure.recipe == recipe)
    rows = origin_rows().get(network, "").split("; ")
    of_network = (
        figure for figure in published() if figure.network == network or f"{figure.origin}: {figure.row}" in rows
    )
    return of_recipe or tuple(figure for figure in of_network if figure.recipe is None)
