"""Check one value of a recipe against its field's type and limits, and write it as TOML."""

import json
import math
import operator
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

from deploy.options import closest
from diptych.errors import RecipeError

SHOWN = 60  # most letters of a value in a message
LARGEST = 2**63  # whole numbers must be below it: files and frameworks store them in int64

LIMITS: dict[str, tuple[Callable[[float, float], bool], str]] = {  # by key of a field's metadata: the test, its words
    "least": (operator.ge, "at least"),
    "above": (operator.gt, "above"),
    "most": (operator.le, "at most"),
    "below": (operator.lt, "below"),
}


def checked(value: Any, kind: Any, limits: Mapping[str, Any], where: str) -> Any:
    """`value`, which is `plain`, converted to the type `kind` of its field.

    Raises `RecipeError`, in a message that begins with `where`, for another type and for a number outside the limits.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return one_of(value, arguments, where)
    if origin in (types.UnionType, Union):  # `kind | None`: only an absent value is None
        return checked(value, next(kind for kind in arguments if kind is not types.NoneType), limits, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise RecipeError(f"{where} = {shown(value)} is not allowed; give a list of numbers")
        return tuple(checked(item, arguments[0], limits, where) for item in value)
    if origin is Mapping:
        return _free(value, arguments[1], where)
    if kind is float and type(value) is int:
        value = float(value) if abs(value) < 1 << 1023 else math.inf
    if type(value) is not kind:
        allowed = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[kind]
        raise RecipeError(f"{where} = {shown(value)} is not allowed; give {allowed}")
    if isinstance(value, int | float):
        _check_limits(value, limits, where)
    return value


def one_of(value: Any, names: Any, where: str) -> Any:
    """`value`, if it is one of `names`. Raises `RecipeError` otherwise."""
    if not any(value == name and type(value) is type(name) for name in names):  # True is equal to 1
        close = closest(value, list(map(str, names)), 1) if isinstance(value, str) else []
        hint = f"; did you mean {close[0]}?" if close else ""
        raise RecipeError(f"{where} = {shown(value)} is not allowed; choose {', '.join(map(str, names))}{hint}")
    return value


def _free(section: Any, kind: Any, where: str) -> dict[str, Any]:
    """A section of plain values. Its keys are not checked here."""
    if not isinstance(section, Mapping):
        raise RecipeError(f"{where} is a section, not a value; write [{where.rpartition(' ')[2]}]")
    section = {key: plain(value) for key, value in section.items()}
    for key, value in section.items():
        if not isinstance(value, kind):
            raise RecipeError(f"{where}.{key} = {shown(value)} is not allowed; give a number, a text, true or false")
        if isinstance(value, float):
            _check_limits(value, {}, f"{where}.{key}")
    return section


def _check_limits(value: float, limits: Mapping[str, Any], where: str) -> None:
    present = [limit for limit in LIMITS if limit in limits]
    if isinstance(value, int) and abs(value) >= LARGEST:
        raise RecipeError(f"{where} is not allowed; give a whole number between -2**63 and 2**63")
    if not math.isfinite(value) or not all(LIMITS[limit][0](value, limits[limit]) for limit in present):
        allowed = " and ".join(f"{LIMITS[limit][1]} {limits[limit]:g}" for limit in present)
        finite = "" if math.isfinite(value) else "finite"
        raise RecipeError(
            f"{where} = {value:g} is not allowed; must be {' and '.join(filter(None, (finite, allowed)))}"
        )


def plain(value: Any) -> Any:
    """Scalars and arrays of NumPy, and tuples, as Python's own values and lists. Any other value as it is."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def shown(value: Any) -> str:
    """A value as shown in a message. A table or a list that is nested too deeply to be written is `...`."""
    try:
        try:
            text = to_toml(value)
        except TypeError:
            text = str(value)
    except RecursionError:
        text = "..."
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def to_toml(value: Any) -> str:
    """A value in TOML. TOML writes texts, whole numbers and truth values as JSON does."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(to_toml, value))}]"
    # Two exceptions: TOML does not have surrogate pairs, and the delete character must be escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
