"""Reads graphs from JSON. Other schemas and unknown ops or attributes are refused."""

import json
from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from typing import Any, get_args, get_origin

from diptych.errors import DiptychError, GraphError
from netspec.graph import SCHEMA, Graph, Node
from netspec.ops import VOCABULARY, Op


def from_json(text: str | bytes, source: str = "the text") -> Graph:
    """Read the output of `Graph.to_json`. For anything else raises `GraphError`, which names `source`."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:  # also for bytes that are not text, and for lists nested too deeply
        raise GraphError(f"{source} is not JSON: {error}") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else None
        raise GraphError(f"{source} has schema {found!r}; this version of Diptych reads schema {SCHEMA}")
    try:
        for holder in (data, *data["nodes"]):
            if type(holder["name"]) is not str:
                raise GraphError(f"the name {json.dumps(holder['name'])} is not text")
        if not _fits(data["input_shape"], tuple[int, int, int]):
            raise GraphError(f"the input_shape {json.dumps(data['input_shape'])} is not three whole numbers")
        return Graph(
            data["name"],
            tuple(data["input_shape"]),
            tuple(Node(node["name"], read_op(node), tuple(node["inputs"])) for node in data["nodes"]),
            tuple(data["outputs"]),
            loss_weights=tuple(float(weight) for weight in data.get("loss_weights", ())),
        )
    except DiptychError as error:
        raise GraphError(f"{source}: {error}") from None
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise GraphError(f"{source} is not a graph of schema {SCHEMA}: {type(error).__name__} {error}") from None


def read_op(node: Mapping[str, Any]) -> Op:
    """The op of a JSON node, from its `name`, `op` and `attributes`. Raises `GraphError` for an unknown op."""
    kind = VOCABULARY.get(node["op"])
    if kind is None:
        raise GraphError(f"'{node['name']}' is a '{node['op']}', which is not an op of schema {SCHEMA}")
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
    """Whether a JSON value fits an attribute's type: tuples are lists, and a whole number is a float too."""
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        return isinstance(value, list) and len(value) == len(kinds) and all(map(_fits, value, kinds))
    if kind is float:
        return type(value) in (int, float) and isfinite(value)
    return type(value) is kind
