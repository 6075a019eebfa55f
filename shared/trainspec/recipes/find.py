"""Find a recipe: in the collections beside this file, or in the user's own file."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from deploy.options import closest
from diptych.errors import RecipeError, UnknownNameError
from diptych.reading import check_file, is_absent, read_bytes
from trainspec.recipes.recipe import Recipe
from trainspec.sections import from_table, merged, table_to_toml, to_table

COLLECTIONS = ("modern", "original")
LIKE = {"mnist": "digits"}  # sets that take the recipes for another one, where there is none for them
MOST, LINE = 1 << 16, 1 << 12  # most bytes in a file, in a line: tomllib takes minutes for a key of 50,000 parts


def find_recipe(architecture: str, family: str, data_name: str, which: str = "modern") -> Recipe:
    """The recipe of an architecture on a data set. `which` is a collection (`modern` or `original`), the name of a
    shipped recipe (`original/lenet5+dp`), or a file.

    In a collection the most specific file wins. The order is `<architecture>.<data>.toml`, `<family>.<data>.toml`,
    `<architecture>.toml`, `<family>.toml`. `<data>` is the data set's name, or after that the letters at its start:
    `cifar` matches cifar10, cifar100 and a folder cifar10-jpeg; at last the set that it is `LIKE`. A variant,
    `<architecture or family>+<what>.toml`, is only found by its name.

    Raises `RecipeError` where there is no recipe or it has an impossible value, `UnknownNameError` where `which` is
    none of the three.
    """
    return read_recipe(recipe_file(architecture, family, data_name, which))


def recipe_file(architecture: str, family: str, data_name: str, which: str = "modern") -> Traversable:
    """The file that `find_recipe` reads. Raises the same errors where there is none."""
    if which not in COLLECTIONS:
        return shipped_recipes().get(which) or _own_file(which, names_for(architecture, family))
    if file := _shipped(architecture, family, data_name, which):
        return file
    others = [name for name in COLLECTIONS if name != which and _shipped(architecture, family, data_name, name)]
    variants = [name for name in names_for(architecture, family) if name.startswith(f"{which}/")]
    hint = " or ".join(f"--recipe {name}" for name in (*variants, *others, "FILE"))
    raise RecipeError(f"no {which} recipe for {architecture} (family {family}); try {hint}")


def recipe_name(file: Traversable) -> str:
    """The name of a recipe's file for people: `modern/vgg.digits` for a shipped one, the path for another."""
    path = Path(str(file))
    shipped = path.parent.name in COLLECTIONS and path.parent.parent == Path(str(files("trainspec.recipes")))
    return f"{path.parent.name}/{path.stem}" if shipped else str(path)


def shipped_recipes() -> dict[str, Path]:
    """The file of every shipped recipe, by the name that `recipe_name` gives it."""
    folders = [files("trainspec.recipes") / name for name in COLLECTIONS]
    found = [Path(str(file)) for folder in folders for file in folder.iterdir() if file.name.endswith(".toml")]
    return {recipe_name(file): file for file in sorted(found)}


def owner_of(name: str) -> str:
    """The architecture or the family that a recipe is for, by the name of its file or by its own."""
    return re.split(r"[.+]", name.rpartition("/")[2])[0]


def names_for(architecture: str, family: str) -> list[str]:
    """The names of all shipped recipes that are made for a network, also of those for other data."""
    return sorted(name for name in shipped_recipes() if owner_of(name) in (architecture, family))


def has_recipe(architecture: str, family: str, collection: str) -> bool:
    """Whether a collection has a file for a network, on any data."""
    owners = {file.name.split(".")[0] for file in (files("trainspec.recipes") / collection).iterdir()}
    return bool(owners & {architecture, family})


def _shipped(architecture: str, family: str, data_name: str, collection: str) -> Traversable | None:
    """The most specific file of a collection (see `find_recipe`), or None."""
    folder = files("trainspec.recipes") / collection
    names = (data_name, *re.findall("^[a-z]+", data_name))
    sets = dict.fromkeys((*names, *(LIKE[name] for name in names if name in LIKE)))  # the exact name first, each once
    candidates = [f"{network}.{name}" for name in sets for network in (architecture, family)]
    for candidate in (*candidates, architecture, family):
        if (file := folder / f"{candidate}.toml").is_file():
            return file
    return None


def read_recipe(file: Traversable) -> Recipe:
    """The recipe in a TOML file. With `extends = "other.toml"` it changes the values of that file in its folder."""
    table = _table(file)
    if "extends" in table:
        parent = _beside(file, table.pop("extends"))
        base = _table(parent)
        if "extends" in base:
            raise RecipeError(f"{file}: extends {parent.name}, which extends another; only one level is allowed")
        from_table(Recipe, base, str(parent))  # so that an error message names the file with the error
        table = merged(base, table, Recipe)
    return from_table(Recipe, table, str(file))


def override(recipe: Recipe, values: Mapping[str, Any], origin: str = "--set") -> Recipe:
    """`recipe` with single values replaced: `{"batch": 64, "optimizer.weight_decay": 1e-4}`. Raises `RecipeError`."""
    return from_table(Recipe, merged(to_table(recipe), _nested(values, origin), Recipe), origin)


def check_values(values: Mapping[str, Any], origin: str = "--set") -> None:
    """Raise `RecipeError` for values that no recipe can have, whatever its other values are."""
    from_table(Recipe, _nested(values, origin), origin, together=False)


def _nested(values: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """A nested table from values with dotted keys. Raises `RecipeError` for a section that is off and has values."""
    table: dict[str, Any] = {}
    for key, value in values.items():
        if value is False and (inner := next((other for other in values if other.startswith(f"{key}.")), None)):
            raise RecipeError(f"{origin}: {key} = false and {inner} contradict one another; leave one of them out")
        *section, name = key.split(".")
        over: dict[str, Any] = {name: value}
        for part in reversed(section):
            over = {part: over}
        table = merged(table, over)
    return table


def with_data(recipe: Recipe, **values: Any) -> Recipe:
    """`recipe` with these values of its `[data]`."""
    return replace(recipe, data=replace(recipe.data, **values))


def to_toml(recipe: Recipe) -> str:
    """The recipe as TOML with every value written out. Reading it gives an equal recipe."""
    return table_to_toml(to_table(recipe))


def _own_file(which: str, names: Sequence[str]) -> Path:
    """The user's file. `names` are the recipes to offer where there is none."""
    path = Path(os.path.expanduser(which))
    if not is_absent(path):
        return check_file(path, RecipeError)
    if which.partition("/")[0] in COLLECTIONS and path.suffix != ".toml":
        meant = "".join(f"did you mean {name}? " for name in closest(which, names, 1))
        raise UnknownNameError(f"--recipe {which}: no such recipe; {meant}known: {', '.join(names) or 'none'}")
    if path.suffix == ".toml" or path.name != which:
        raise RecipeError(f"{which}: no such recipe file")
    close = closest(which, COLLECTIONS, 1)
    hint = f"did you mean {close[0]}?" if close else "give one of them, or a TOML file"
    raise UnknownNameError(f"--recipe {which}: neither {' nor '.join(COLLECTIONS)}; {hint}")


def _beside(file: Traversable, name: Any) -> Path:
    """The file `name` in the folder of `file`. Raises `RecipeError` where it is missing or a link out of the folder."""
    path = Path(str(file))
    if isinstance(name, str) and name and Path(name).name == name and os.path.isfile(parent := path.parent / name):
        if parent.resolve().parent in (path.parent.resolve(), path.resolve().parent):
            return parent
        raise RecipeError(f"{file}: extends {name!r}, which is a link out of its folder; give a file beside the recipe")
    raise RecipeError(f"{file}: extends {name!r}, which does not exist beside it; give a file beside the recipe")


def _table(file: Traversable) -> dict[str, Any]:
    content = read_bytes(file, RecipeError, most=MOST) if isinstance(file, Path) else file.read_bytes()
    if (longest := max(map(len, content.splitlines()), default=0)) > LINE:
        raise RecipeError(f"{file}: not a recipe (it has a line of {longest:,} bytes; at most {LINE:,} are read)")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except RecursionError:
        raise RecipeError(f"{file}: cannot be read as TOML (nested too deeply)") from None
    except ValueError as error:  # from tomllib; also bytes that are not text, and numbers with thousands of digits
        raise RecipeError(f"{file}: not a TOML file ({error})") from error
