"""Checks the arguments of public functions by their annotations, as the parser does for those of commands.

Standard library only.
"""

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from deploy.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")

_LONGEST = 60  # characters of a value in a message
_UNIONS = (Union, UnionType)
_NUMBERS = {int: Integral, float: Real}  # NumPy's too
_WORDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", NoneType: "None"}


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, which raises `UsageError` for an argument of another type than it is annotated with."""
    signature, hints = inspect.signature(function), functools.cache(lambda: get_type_hints(function))

    @functools.wraps(function)
    def call(*positional: P.args, **named: P.kwargs) -> R:
        for name, value in signature.bind(*positional, **named).arguments.items():
            kind = hints().get(name, Any)
            if signature.parameters[name].kind is not inspect.Parameter.VAR_KEYWORD and not _fits(value, kind):
                raise UsageError(f"{name} = {repr(value)[:_LONGEST]}: give {_words(kind)}")
        return function(*positional, **named)

    return call


def _fits(value: Any, kind: Any) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if (origin is Sequence or kind is bool) and type(value).__module__ == "numpy":
        value = value.tolist()
    if origin in _UNIONS:
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin is Sequence:
        return (
            isinstance(value, Sequence)
            and not isinstance(value, str | bytes)
            and all(_fits(item, parts[0]) for item in value)
        )
    if origin is Mapping and parts[1] is str:
        return isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair)
    if kind in _NUMBERS:
        return isinstance(value, _NUMBERS[kind]) and not isinstance(value, bool)
    return isinstance(value, origin or kind)


def _words(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in _UNIONS:
        words = [_words(part) for part in parts if part is not NoneType or len(parts) == 2]
        return f"{', '.join(words[:-1])} or {words[-1]}"
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin is Sequence:
        return f"a list, each item {_words(parts[0])}"
    if origin is Mapping and parts[1] is str:
        return "a dictionary of texts"
    if origin is os.PathLike:
        return "a path"
    if origin is Callable:
        return "a function"
    return _WORDS.get(kind) or f"a {kind.__name__}"
