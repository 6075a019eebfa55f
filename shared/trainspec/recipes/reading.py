"""TOML tables to frozen dataclasses and back. What the dataclass does not know is refused."""

import json
import math
import operator
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from deploy.options import closest
from netspec.errors import RecipeError

Section = TypeVar("Section")

SHOWN = 60  # letters of a value that a message repeats
LARGEST = 2**63  # whole numbers are below it: what files and frameworks keep them in

LIMITS: dict[str, tuple[Callable[[float, float], bool], str]] = {  # a field's metadata: what holds, and its words
    "least": (operator.ge, "at least"),
    "above": (operator.gt, "above"),
    "most": (operator.le, "at most"),
    "below": (operator.lt, "below"),
}


def from_table(section: type[Section], table: Mapping[str, Any], origin: str, *, together: bool = True) -> Section:
    """An instance of the dataclass `section` out of `table`, the rest by default.

    `together` has the values of a section checked against one another, too.

    Raises `RecipeError`, in one line that begins with `origin` (a file, an option), on an unknown key (with the nearest
    known one), a value of the wrong type, and an impossible value.
    """

    def read(section: Any, table: Mapping[str, Any], path: str) -> Any:
        known = {field.name: field for field in fields(section)}
        kinds = get_type_hints(section)
        values = {}
        for key, value in table.items():
            name = f"{path}{key}"
            if key not in known:
                raise RecipeError(f"{origin}: unknown key {name}; {_hint(name, path, root)}")
            if (inner := section_in(kinds[key])) is not None:
                values[key] = read_section(inner, value, name, may_be_off=inner is not kinds[key])
            else:
                values[key] = _value(value, kinds[key], known[key], f"{origin}: {name}")
        instance = section(**values)
        problem = getattr(instance, "problem", lambda: None)() if together else None
        if problem:
            raise RecipeError(f"{origin}: {path}{problem}")
        return instance

    def read_section(section: Any, value: Any, name: str, *, may_be_off: bool) -> Any:
        if may_be_off and isinstance(value, bool):
            return section() if value else None
        if not isinstance(value, Mapping):
            switch = ", or true or false" if may_be_off else ""
            raise RecipeError(f"{origin}: {name} is a section, not a value; write [{name}]{switch}")
        return read(section, value, f"{name}.")

    root = section
    found: Section = read(section, table, "")
    return found


def section_in(kind: Any) -> Any:
    """The dataclass of a field's type, `Section` or `Section | None`; None for the type of a plain value."""
    return next((one for one in (kind, *get_args(kind)) if is_dataclass(one)), None)


def to_table(section: Any) -> dict[str, Any]:
    """The instance as nested dictionaries, as `from_table` takes them.

    None, which TOML does not have, and an empty mapping are left out.
    """
    table: dict[str, Any] = {}
    for field in fields(section):
        value = getattr(section, field.name)
        if is_dataclass(value):
            table[field.name] = to_table(value)
        elif value is not None and value != {}:
            table[field.name] = list(value) if isinstance(value, tuple) else value
    return table


def table_to_toml(table: Mapping[str, Any], path: str = "") -> str:
    """TOML text of a table of plain values and tables; `path` is its own name with a dot behind it."""
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in table.items() if not isinstance(value, Mapping))
    for key, value in table.items():
        if isinstance(value, Mapping):
            text += f"\n[{path}{key}]\n{table_to_toml(value, f'{path}{key}.')}"
    return text


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over` in place of its own, section by section."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def _hint(name: str, path: str, root: Any) -> str:
    """What was meant by an unknown key: one of the same last name, or called so elsewhere, or one that looks alike."""
    names = dict(_keys(root))
    last = name.rpartition(".")[2]
    called = [key for key, also in names.items() if last.lower() in (key.rpartition(".")[2], *also)]
    alike = [key for key in names if key.startswith(path)]
    if close := called or closest(name, alike, 1) or closest(name, list(names), 1):
        return f"did you mean {' or '.join(close)}?"
    return f"known: {', '.join(key for key in alike if '.' not in key.removeprefix(path))}"


def _keys(section: Any, path: str = "") -> Iterator[tuple[str, Sequence[str]]]:
    """Every key of a section and of those in it, by its whole name, with what else people call it."""
    kinds = get_type_hints(section)
    for field in fields(section):
        name = f"{path}{field.name}"
        yield name, field.metadata.get("also", ())
        if (inner := section_in(kinds[field.name])) is not None:
            yield from _keys(inner, f"{name}.")


def _value(value: Any, kind: Any, field: Field[Any], where: str) -> Any:
    """`value` as the field's type has it, once it is known to be possible."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        if value not in arguments:
            close = closest(value, arguments, 1) if isinstance(value, str) else []
            hint = f"; did you mean {close[0]}?" if close else ""
            raise RecipeError(
                f"{where} = {_shown(value)} is not allowed; choose {', '.join(map(str, arguments))}{hint}"
            )
        return value
    if origin in (types.UnionType, Union):  # `kind | None`: what is absent is None
        return _value(value, next(kind for kind in arguments if kind is not types.NoneType), field, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise RecipeError(f"{where} = {_shown(value)} is not allowed; give a list of numbers")
        return tuple(_value(item, arguments[0], field, where) for item in value)
    if origin is Mapping:
        return _free(value, arguments[1], where)
    if kind is float and type(value) is int:
        value = float(value) if abs(value) < 1 << 1023 else math.inf
    if type(value) is not kind:
        allowed = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[kind]
        raise RecipeError(f"{where} = {_shown(value)} is not allowed; give {allowed}")
    if isinstance(value, int | float):
        _check_limits(value, field.metadata, where)
    return value


def _free(section: Any, kind: Any, where: str) -> dict[str, Any]:
    """A section whose keys others know, with plain values."""
    if not isinstance(section, Mapping):
        raise RecipeError(f"{where} is a section, not a value; write [{where.rpartition(' ')[2]}]")
    for key, value in section.items():
        if not isinstance(value, kind):
            raise RecipeError(f"{where}.{key} = {_shown(value)} is not allowed; give a number, a text, true or false")
        if isinstance(value, float):
            _check_limits(value, {}, f"{where}.{key}")
    return dict(section)


def _check_limits(value: float, limits: Mapping[str, Any], where: str) -> None:
    present = [limit for limit in LIMITS if limit in limits]
    if isinstance(value, int) and abs(value) >= LARGEST:
        raise RecipeError(f"{where} is not allowed; a whole number of {len(str(LARGEST))} digits at most")
    if not math.isfinite(value) or not all(LIMITS[limit][0](value, limits[limit]) for limit in present):
        allowed = " and ".join(f"{LIMITS[limit][1]} {limits[limit]:g}" for limit in present)
        raise RecipeError(f"{where} = {value:g} is not allowed; must be {allowed or 'finite'}")


def _shown(value: Any) -> str:
    try:
        text = _toml(value)
    except TypeError:
        text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _toml(value: Any) -> str:
    """A value in TOML, whose notation of texts, whole numbers and truth values is JSON's."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    # Two exceptions: TOML has no surrogate pairs, and wants the delete character escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
