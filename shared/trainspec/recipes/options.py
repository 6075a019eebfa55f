"""The command-line options of a training, made from the recipe's fields.

`--set section.key=value` reaches every value of a recipe; the ones that are changed often have options of their own.
"""

import argparse
import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from diptych.errors import UsageError
from netspec.options import name_or_path, path
from trainspec.recipes.find import (
    COLLECTIONS,
    check_values,
    find_recipe,
    has_recipe,
    override,
    recipe_file,
    recipe_name,
    with_data,
)
from trainspec.recipes.recipe import Recipe

SHORTCUTS = ("epochs", "seed", "precision")  # `--epochs 5` is `--set epochs=5`
MOST_THREADS = 1024
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class TrainOptions:
    """What the user asked for. `data` as `--data` has it, `budget` in seconds, `overrides` by `section.key`."""

    data: str | None
    recipe: str
    overrides: dict[str, Any]
    budget: float | None
    threads: int | None
    weights: Path | None
    out: Path

    def check(self, architecture: str, family: str) -> None:
        """Refuse what is wrong whatever the data are, before any is looked for. Raises `RecipeError`."""
        if self.recipe not in COLLECTIONS:
            override(find_recipe(architecture, family, "", self.recipe), self.overrides)
        elif not has_recipe(architecture, family, self.recipe):
            find_recipe(architecture, family, "", self.recipe)  # which says where there is one

    def recipe_name(self, architecture: str, family: str, data_name: str) -> str:
        """The name of the recipe's file, for people."""
        return recipe_name(recipe_file(architecture, family, data_name, self.recipe))

    def recipe_for(self, architecture: str, family: str, data_name: str) -> Recipe:
        """The recipe that was asked for, with the single values that the user gave in place of its own.

        `data_name` is the name of the data set found, which the returned recipe carries. Raises `RecipeError`.
        """
        found = find_recipe(architecture, family, data_name, self.recipe)
        return with_data(override(found, self.overrides), data_name)


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the options of a training."""
    parser.add_argument(
        "--data",
        metavar="D",
        type=name_or_path,
        help="cifar10, cifar100, digits, or a folder or archive of class folders",
    )
    parser.add_argument(
        "--recipe", metavar="R", type=name_or_path, default=COLLECTIONS[0], help="modern (the default), seed, or a file"
    )
    kinds = get_type_hints(Recipe)
    for field in fields(Recipe):
        if field.name in SHORTCUTS:
            choices = f" ({', '.join(get_args(kinds[field.name]))})" if get_args(kinds[field.name]) else ""
            parser.add_argument(f"--{field.name}", metavar=field.name[0].upper(), help=field.metadata["help"] + choices)
    parser.add_argument("--budget", metavar="TIME", help="fit the schedule into this time: 90s, 10m, 1h")
    parser.add_argument("--threads", metavar="N", help="CPU threads of the framework; default: the cores it may use")
    parser.add_argument(
        "--weights", metavar="FILE", type=path, help="start from the weights in this .safetensors or .pt file"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", type=path, default=Path("runs"), help="where the run's folder is made"
    )
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="change a value: --set optimizer.momentum=0.8"
    )


def read_train_options(arguments: argparse.Namespace) -> TrainOptions:
    """The options out of what argparse read. Raises `DiptychError` where one means nothing."""
    overrides = _assignments(arguments.set)
    check_values(overrides)  # refused here, before any data is looked for
    for name in SHORTCUTS:
        if (text := getattr(arguments, name)) is not None:
            overrides[name] = _toml_value(text)
            check_values({name: overrides[name]}, f"--{name}")
    return TrainOptions(
        data=arguments.data,
        recipe=arguments.recipe,
        overrides=overrides,
        budget=None if arguments.budget is None else parse_duration(arguments.budget),
        threads=None if arguments.threads is None else parse_threads(arguments.threads),
        weights=arguments.weights,
        out=arguments.out,
    )


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `10m`, `1h`, `1.5h`. Raises `UsageError`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if match is None or not 0 < (seconds := float(match[1]) * SECONDS[match[2]]) < math.inf:
        raise UsageError(f"--budget {text}: not a time; give 90s, 10m or 1h")
    return seconds


def parse_threads(text: str) -> int:
    """A number of threads. Raises `UsageError`."""
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MOST_THREADS:
        raise UsageError(f"--threads {text}: give a whole number from 1 to {MOST_THREADS}")
    return int(text)


def _assignments(texts: Sequence[str]) -> dict[str, Any]:
    values = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {text}: give section.key=value, as in --set optimizer.momentum=0.8")
        values[key.strip()] = _toml_value(value.strip())
    return values


def _toml_value(text: str) -> Any:
    """A number, truth value or list in TOML's notation; anything else is a text, so that quotes may be left out."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # tomllib's own, thousands of digits, lists in lists without end
        return text
