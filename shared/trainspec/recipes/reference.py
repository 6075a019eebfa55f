"""The reference of all keys of a recipe, in Markdown, made from the dataclasses that read them."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from trainspec.recipes.recipe import Recipe
from trainspec.sections import Tagged, sections_in
from trainspec.values import LIMITS, to_toml

HEAD = """# The keys of a recipe

Made by `python -m trainspec keys`; a test compares this file with the code. A key that a recipe does not have takes its
default. On the command line, `--set section.key=value` sets one.
"""


def reference() -> str:
    """The whole reference."""
    return HEAD + "".join(_section(Recipe, "", ""))


def _section(section: Any, path: str, kind: str) -> Iterator[str]:
    """A section, then the sections in it. `path` is its dotted name, empty for the recipe itself."""
    types = get_type_hints(section)
    title = f"`[{path}]`" if path else "The recipe itself"
    chosen = f" with `kind = {to_toml(kind)}`" if kind else ""
    texts = [section] if kind else [section, *_bases(section)]
    yield f"\n## {title}{chosen}\n\n{_texts(texts)}\n"
    plain = [one for one in fields(section) if not sections_in(types[one.name])]
    meaning = any(one.metadata.get("help") for one in plain)
    if plain:
        yield f"\n| key | default | allowed |{' meaning |' * meaning}\n| :-- | :-- | :-- |{' :-- |' * meaning}\n"
        for one in plain:
            explained = f" {one.metadata.get('help', '')} |" if meaning else ""
            yield f"| `{one.name}` | {_default(one)} | {_allowed(types[one.name], one)} |{explained}\n"
    for one in fields(section):
        name = f"{path}.{one.name}" if path else one.name
        kinds = [inner for inner in sections_in(types[one.name]) if issubclass(inner, Tagged)]
        if kinds:
            without = "" if one.default is None else f"Without `kind`, it is {_default(one)}.\n\n"
            bases = dict.fromkeys(base for inner in kinds for base in _bases(inner)[::-1])
            yield f"\n## `[{name}]` of every kind\n\n{without}{_texts(bases)}\n"
        for inner in sections_in(types[one.name]):
            listed = f"[{name}]" if get_origin(types[one.name]) is tuple else name
            yield from _section(inner, listed, inner.kind if issubclass(inner, Tagged) else "")


def _bases(section: type) -> list[type]:
    """The bases of a section that have keys of their own, nearest first."""
    keys = {one.name for one in fields(section)}
    return [base for base in section.__mro__[1:] if keys & vars(base).get("__annotations__", {}).keys()]


def _texts(sections: Iterable[type]) -> str:
    return "\n\n".join(inspect.cleandoc(section.__doc__ or "") for section in sections)


def _default(one: Field[Any]) -> str:
    if one.default is MISSING and one.default_factory is MISSING:
        return "must be given"
    value = one.default_factory() if callable(one.default_factory) else one.default
    if value is None or value in ({}, ()):
        return "-"
    value = value.kind if isinstance(value, Tagged) else value
    return f"`{to_toml(list(value) if isinstance(value, tuple) else value)}`"


def _allowed(type_: Any, one: Field[Any]) -> str:
    """What a value may be, for people."""
    if get_origin(type_) is Mapping:
        return "options of the network"
    kind = get_args(type_)[0] if get_origin(type_) in (UnionType, Union) else type_  # of `kind | None`
    if get_origin(kind) is Literal:
        return ", ".join(f"`{to_toml(value)}`" for value in get_args(kind))
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    what = "a list of numbers" if get_origin(kind) is tuple else names[kind]
    limits = " and ".join(f"{LIMITS[key][1]} {value:g}" for key, value in one.metadata.items() if key in LIMITS)
    return f"{what} {limits}".strip()
