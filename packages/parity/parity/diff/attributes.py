"""Compares what two networks are as a whole: input, classes, options, counts, and how images are prepared."""

from collections.abc import Iterator, Mapping
from typing import Any

from diptych.errors import DiptychError
from netspec import Graph
from netspec.labels import size_of
from netspec.options import network_of
from netspec.registry import find
from parity.diff.sides import Side
from parity.diff.structure import Change, written

PREPARED = ("classes", "mean", "std", "resize_rule")  # what makes logits of a picture, and a name of them


def compare_attributes(a: Side, b: Side) -> tuple[Change, ...]:
    """What differs, in the order of importance; only what both state."""
    return tuple(change for change in _changes(a, b) if change.a != change.b)


def _changes(a: Side, b: Side) -> Iterator[Change]:
    yield Change("input", size_of(a.input_shape), size_of(b.input_shape))
    if a.classes is not None and b.classes is not None:
        yield Change("classes", str(a.classes), str(b.classes))
    if a.graph is not None and b.graph is not None:
        yield from _of_graphs(a.graph, b.graph)
    yield from _of_preparation(a, b)


def _of_graphs(a: Graph, b: Graph) -> Iterator[Change]:
    one, other = options_of(a), options_of(b)
    for key in (key for key in one if key in other):
        yield Change(key, written(one[key]), written(other[key]))
    yield Change("heads", ", ".join(a.heads), ", ".join(b.heads))
    if list(a.heads) == list(b.heads):
        yield Change("loss weights", written(tuple(a.heads.values())), written(tuple(b.heads.values())))
    yield Change("parameters", f"{a.num_total:,}", f"{b.num_total:,}")
    yield Change("multiply-adds", f"{a.macs:,}", f"{b.macs:,}")


def _of_preparation(a: Side, b: Side) -> Iterator[Change]:
    for key in PREPARED:
        one, other = getattr(a.contract, key), getattr(b.contract, key)
        if one and other and one != other:
            if key == "classes" and len(one) == len(other):
                place = next(place for place, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
                yield Change(f"name of class {place}", one[place], other[place])
            elif key != "classes":  # other numbers of classes are said already
                yield Change(key.replace("_", " "), written(one), written(other))


def options_of(graph: Graph) -> Mapping[str, Any]:
    """The options of a registered network, defaults included, by its graph's name; empty for another graph."""
    try:
        name, chosen = network_of(graph.name)
        return find(name).options | chosen
    except DiptychError:
        return {}
