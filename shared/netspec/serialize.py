"""Graphs from JSON. Another schema is refused, and so is an op or an attribute that is not known."""

import json
from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from typing import Any, get_args, get_origin

from diptych.errors import DiptychError, GraphError
from netspec.graph import SCHEMA, Graph, Node
from netspec.ops import VOCABULARY, Op


def from_json(text: str | bytes, source: str = "the text") -> Graph:
    """Read what `Graph.to_json` wrote. Raises `GraphError`, which names `source`, for anything else."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:  # also bytes that are no text, and lists in lists without end
        raise GraphError(f"{source} is not JSON: {error}") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else None
        raise GraphError(f"{source} has schema {found!r}; this version of Diptych reads schema {SCHEMA}")
    try:
        return Graph(
            str(data["name"]),
            tuple(int(size) for size in data["input_shape"]),
            tuple(Node(str(node["name"]), read_op(node), tuple(node["inputs"])) for node in data["nodes"]),
            tuple(data["outputs"]),
            loss_weights=tuple(float(weight) for weight in data.get("loss_weights", ())),
        )
    except DiptychError as error:
        raise GraphError(f"{source}: {error}") from None
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise GraphError(f"{source} is no graph of schema {SCHEMA}: {type(error).__name__} {error}") from None


def read_op(node: Mapping[str, Any]) -> Op:
    """The op of a node in JSON, of its `name`, `op` and `attributes`. Raises `GraphError` for one that is not known."""
    kind = VOCABULARY.get(node["op"])
    if kind is None:
        raise GraphError(f"'{node['name']}' is a '{node['op']}', which is no op of schema {SCHEMA}")
    known = {entry.name for entry in fields(kind)}
    given = node["attributes"]
    if set(given) != known:
        wrong = ", ".join(sorted(set(given) ^ known))
        raise GraphError(f"'{node['name']}' ({node['op']}) has missing or unknown attributes: {wrong}")
    for entry in fields(kind):
        if not _fits(given[entry.name], entry.type):
            wrong = json.dumps(given[entry.name])
            raise GraphError(f"'{node['name']}' ({node['op']}) cannot have the {entry.name} {wrong}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()})


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is one of an attribute's type: a list for a tuple, and a whole number for a float too."""
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        return isinstance(value, list) and len(value) == len(kinds) and all(map(_fits, value, kinds))
    if kind is float:
        return type(value) in (int, float) and isfinite(value)
    return type(value) is kind
