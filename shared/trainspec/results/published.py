"""The figures that the origins and others publish, from `published.toml`."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from netspec.registry import origin_rows
from trainspec.recipes.find import shipped_recipes
from trainspec.recipes.header import Facts

DATA = re.compile(r"cifar10(?!\d)")  # the names of the data sets that the figures were measured on begin so

# Keys whose change makes another row of an origin's table.
SECTIONS = "network|weights|init|initialisation|augmentation|regularisation|patchup|optimizer|parameters|average"
TRICK = re.compile(rf"({SECTIONS}|schedule\.kind)\b")


@dataclass(frozen=True)
class Published:
    """A row of an origin's table. `top1` in percent; `recipe` is the recipe of this project that trains the row.

    `network` is the architecture: of a row with a recipe the one in the recipe's command, and of others None where
    `netspec/origin_rows.toml` says it.
    """

    origin: str
    row: str
    top1: float
    source: str
    recipe: str | None = None
    network: str | None = None
    note: str = ""

    def __str__(self) -> str:
        return f"{self.top1:.2f} ({self.origin}: {self.row}{f' {self.note}' * bool(self.note)})"


@cache
def published() -> tuple[Published, ...]:
    """Every published figure."""
    tables = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
    return tuple(
        Published(**entry | {"origin": origin, "source": table["source"], "network": _network(entry)})
        for origin, table in tables.items()
        for entry in table["rows"]
    )


def published_for(network: str, recipe: str, data: str, changes: Sequence[str] = ()) -> tuple[Published, ...]:
    """The figures to put beside a run: those of its network and recipe, otherwise those of the network itself.

    Empty for data sets other than CIFAR-10. Empty too for an origin's recipe with tricks of which it publishes no row:
    those of the recipe's name, after a `+`, or of `changes`, which are those of the run, as `key=value`. `network` is
    the name without options.
    """
    added = any(TRICK.match(change) for change in changes)
    if not DATA.match(data) or (added and recipe.startswith("original/")):
        return ()
    of_recipe = tuple(figure for figure in published() if (figure.recipe, figure.network) == (recipe, network))
    rows = origin_rows().get(network, "").split("; ")
    of_network = (
        figure for figure in published() if figure.network == network or f"{figure.origin}: {figure.row}" in rows
    )
    plain = not re.match(r"original/.*\+", recipe)
    return of_recipe or tuple(figure for figure in of_network if figure.recipe is None and plain)


def _network(entry: Mapping[str, Any]) -> str | None:
    facts = Facts.of(shipped_recipes()[entry["recipe"]]) if "recipe" in entry else None
    return facts.network if facts else entry.get("network")
