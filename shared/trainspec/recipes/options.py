"""The command-line options of a training, made from the recipe's fields.

`--set section.key=value` sets any value of a recipe. Values that are often changed also have their own options.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints

from deploy.commands import Option, option
from deploy.options import SWITCH, name_or_path, path
from deploy.outputs import output_folder
from deploy.shell import say
from diptych.errors import UsageError
from trainspec.durations import LONGEST, seconds_in
from trainspec.optimizers import ParameterTable
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
from trainspec.values import plain

SHORTCUTS = ("epochs", "seed", "precision")  # `--epochs 5` is `--set epochs=5`
OWN = "of its own"  # the name shown for a recipe that does not come from a file
MOST_THREADS = 1024
OTHER_TYPES = {"network": ", or a Graph", "recipe": ", or a Recipe"}  # that an argument may have, besides
TEXTS, PATHS = ("data", "recipe"), ("weights", "out", "resume")  # the options that are names or paths, and paths


@dataclass(frozen=True)
class TrainOptions:
    """What the user asks for.

    `data` is a value of `--data`. `recipe` is a collection, the name of a shipped recipe, a file or a recipe; None
    means the collection modern, or the recipe of the run that goes on.
    `overrides` has single values of the recipe by `section.key`. `freeze` are patterns of canonical names, which become
    the recipe's last tables. `budget` is in seconds. `weights` is a file or a run's folder. `out` is where the run's
    folder is made; None means `runs`. `resume`: a run that goes on. Messages about `overrides` begin with `origin`.
    """

    data: str | None = None
    recipe: str | Recipe | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    budget: float | None = None
    threads: int | None = None
    deterministic: bool | None = None
    weights: Path | None = None
    freeze: tuple[str, ...] = ()
    out: Path | None = None
    tensorboard: bool = False
    resume: Path | None = None
    origin: str = "train"

    def __post_init__(self) -> None:
        """Raise `UsageError` for a value that no training can have, from a command line or from Python."""
        number = isinstance(self.budget, int | float) and not isinstance(self.budget, bool)
        whole = isinstance(self.threads, int) and not isinstance(self.threads, bool)
        right = {
            "data": self.data is None or isinstance(self.data, str),
            "recipe": isinstance(self.recipe, str | Recipe | None),
            "settings": isinstance(self.overrides, Mapping) and all(isinstance(key, str) for key in self.overrides),
            "budget": self.budget is None or (number and 0 < self.budget <= LONGEST),
            "threads": self.threads is None or (whole and 1 <= self.threads <= MOST_THREADS),
            "deterministic": self.deterministic in (None, True, False),
            "freeze": all(isinstance(pattern, str) for pattern in self.freeze),
            **{name: getattr(self, name) is None or isinstance(getattr(self, name), Path) for name in PATHS},
        }
        if wrong := next((name for name, is_right in right.items() if not is_right), None):
            value = self.overrides if wrong == "settings" else getattr(self, wrong)
            raise UsageError(f"{wrong} = {str(value)[:60]!r} is not allowed; see the docstring of train")
        if "data.name" in self.overrides:
            raise UsageError("data.name cannot be set; choose the data with --data D (in Python data=)")

    @classmethod
    def read(
        cls,
        *,
        data: str | None,
        recipe: str | None,
        budget: str | None,
        threads: str | None,
        deterministic: bool | None,
        weights: Path | None,
        freeze: Sequence[str],
        out: Path | None,
        tensorboard: bool,
        set: Sequence[str],
        resume: Path | None = None,
        **shortcuts: str | None,
    ) -> Self:
        """Read the texts of a command line. Raises a `DiptychError` for a text that is not valid."""
        overrides = _assignments(set)
        check_values(overrides)  # here, so that a wrong value is refused before the data are looked for
        for name, text in shortcuts.items():
            if text is not None:
                if name in overrides:
                    say(f"note       --set {name}={overrides[name]} is not used: --{name} {text} replaces it")
                overrides[name] = _toml_value(text)
                check_values({name: overrides[name]}, f"--{name}")
        return cls(
            data=data,
            recipe=recipe,
            overrides=overrides,
            budget=None if budget is None else parse_duration(budget),
            threads=None if threads is None else parse_threads(threads),
            deterministic=deterministic,
            weights=weights,
            freeze=tuple(freeze),
            out=out,
            tensorboard=tensorboard,
            resume=resume,
            origin="--set",
        )

    @classmethod
    def of(
        cls,
        settings: Mapping[str, Any],
        shortcuts: Mapping[str, Any],
        *,
        budget: str | float | None,
        freeze: str | Iterable[str],
        **values: Any,
    ) -> Self:
        """Read the arguments of a Python function. `settings` are overrides, and so are `shortcuts` that are not None.

        Raises a `DiptychError` for an argument of another type or without a meaning.
        """
        if not isinstance(settings, Mapping):
            raise UsageError(f"settings = {settings!r}: give a dictionary, as {{'optimizer.momentum': 0.8}}")
        values = {key: plain(value) for key, value in values.items()}
        given = {key: value for key, value in shortcuts.items() if value is not None}
        if twice := next((key for key in given if key in settings), None):
            raise UsageError(f"{twice}: given beside settings and in them; give it once")
        if not isinstance(freeze, Iterable):
            raise UsageError(f"freeze = {freeze!r}: give a pattern, or a list of them")
        texts = {key: text_of(key, values[key]) for key in (*TEXTS, *PATHS) if values[key] is not None}
        return cls(
            overrides={**settings, **given},
            budget=parse_duration(budget) if isinstance(budget, str) else plain(budget),
            freeze=(freeze,) if isinstance(freeze, str) else tuple(freeze),
            **(values | texts | {key: Path(texts[key]) for key in PATHS if key in texts}),
        )

    @property
    def source(self) -> str | Recipe:
        """Where the recipe of a new training comes from."""
        return COLLECTIONS[0] if self.recipe is None else self.recipe

    def check(self, architecture: str, family: str) -> None:
        """Check what does not depend on the data, before the data are looked for. Raises `RecipeError`."""
        if isinstance(self.source, Recipe) or self.source not in COLLECTIONS:
            self.recipe_for(architecture, family, "")
        elif not has_recipe(architecture, family, self.source):
            find_recipe(architecture, family, "", self.source)  # raises, and says where there is one

    def recipe_name(self, architecture: str, family: str, data_name: str) -> str:
        """The name of the recipe's file, as shown to people."""
        if isinstance(self.source, Recipe):
            return OWN
        return recipe_name(recipe_file(architecture, family, data_name, self.source))

    def recipe_for(self, architecture: str, family: str, data_name: str) -> Recipe:
        """The recipe that was asked for, with the user's single values put in.

        `data_name` is the name of the data set. The returned recipe contains it. Raises `RecipeError`.
        """
        changed = override(self.written(architecture, family, data_name), self.overrides, self.origin)
        return with_data(replace(changed, parameters=(*changed.parameters, *self.frozen)), name=data_name)

    def written(self, architecture: str, family: str, data_name: str) -> Recipe:
        """The recipe that was asked for, as it is written. Raises `RecipeError`."""
        if isinstance(self.source, Recipe):
            return override(self.source, {}, "recipe")  # checks it: its values may be of any kind
        return find_recipe(architecture, family, data_name, self.source)

    @property
    def frozen(self) -> tuple[ParameterTable, ...]:
        """The tables that `freeze` becomes."""
        return tuple(ParameterTable(pattern, freeze=True) for pattern in self.freeze)


def _shortcuts() -> Iterator[Option]:
    kinds = get_type_hints(Recipe)
    for entry in fields(Recipe):
        if entry.name in SHORTCUTS:
            choices = f" ({', '.join(get_args(kinds[entry.name]))})" if get_args(kinds[entry.name]) else ""
            yield option(f"--{entry.name}", metavar=entry.name[0].upper(), help=entry.metadata["help"] + choices)


TRAIN_OPTIONS = (
    option(
        "--data",
        metavar="D",
        type=name_or_path,
        help="cifar10, cifar100, mnist, fashion_mnist, digits, a folder or archive of class folders, or a split's "
        "manifest; default: digits on a CPU, cifar10 on a GPU",
    ),
    option(
        "--recipe",
        metavar="R",
        type=name_or_path,
        help="modern (the default), original, a name as original/lenet5+dp, or a file",
    ),
    *_shortcuts(),
    option("--budget", metavar="TIME", help="fit the schedule into this time: 90s, 10m, 1h"),
    option("--threads", metavar="N", help="CPU threads of the framework; default: the cores it may use"),
    option(
        "--deterministic",
        action=SWITCH,
        help="same seed, same machine, same bits, as far as the framework can; default: on a CPU",
    ),
    option(
        "--weights", metavar="FILE", type=path, help="start from the weights in this .safetensors or .pt file, or run"
    ),
    option(
        "--freeze",
        metavar="GLOB",
        action="append",
        default=[],
        help="do not train the parameters with such names: --freeze 'stem*'; may be repeated",
    ),
    option("--out", metavar="FOLDER", type=output_folder, help="where the run's folder is made (runs)"),
    option(
        "--tensorboard",
        action="store_true",
        help="also write the figures for TensorBoard, which shows them by: tensorboard --logdir runs",
    ),
    option(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change a value: --set optimizer.momentum=0.8; may be repeated; `python -m trainspec keys` lists the keys",
    ),
)


def text_of(name: str, value: Any) -> Any:
    """A name or a path as a text; a recipe as it is. Raises `UsageError` for an argument of another type."""
    try:
        return value if isinstance(value, Recipe) else os.fsdecode(value)
    except TypeError:
        shown = " ".join(str(value).split())  # a module has a line for each layer
        raise UsageError(f"{name} = {shown[:60]}: give a text or a path{OTHER_TYPES.get(name, '')}") from None


def parse_duration(text: str) -> float:
    """The seconds in a text like `90s`, `10m`, `1h` or `1.5h`. Raises `UsageError` for any other text."""
    if (seconds := seconds_in(text)) is None:
        raise UsageError(f"--budget {text}: not a time; give 90s, 10m or 1h")
    return seconds


def parse_threads(text: str) -> int:
    """A number of threads from 1 to `MOST_THREADS`. Raises `UsageError` for any other text."""
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MOST_THREADS:
        raise UsageError(f"--threads {text}: give a whole number from 1 to {MOST_THREADS}")
    return int(text)


def _assignments(texts: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {text}: give section.key=value, as in --set optimizer.momentum=0.8")
        if key.strip() in values:
            say(f"note       --set {key.strip()}={values[key.strip()]} is not used: --set {text} replaces it")
        values[key.strip()] = _toml_value(value.strip())
    return values


def _toml_value(text: str) -> Any:
    """A value in TOML notation. If it is not valid TOML, it is taken as a text, so that quotes may be left out."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # not TOML, thousands of digits, or endlessly nested lists
        return text
    if len(table) > 1:
        raise UsageError(f"{text!r}: one value at a time; give an option for each")
    return table["value"]
