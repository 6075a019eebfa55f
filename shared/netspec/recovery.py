"""Finds the graph that a file was made of, by the name, the digest and the tensors that the file states."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from diptych.errors import DiptychError
from netspec import Graph, resolve
from netspec.ops import Conv, Shape
from netspec.options import network_of
from netspec.passes import without_heads
from netspec.registry import architecture
from netspec.weights import head_of

SIZES = range(8, 513, 4)  # pixels of an image that dense layers may have been made for

Shapes = Mapping[str, Shape]  # of tensors by canonical name


def recovered(
    title: str,
    digest: str,
    shapes: Shapes,
    *,
    near: Path,
    image: Shape | None = None,
    others: Iterable[Graph] = (),
    forms: tuple[Callable[[Graph], Graph], ...] = (lambda graph: graph, without_heads),
) -> Graph | None:
    """The graph of this title and digest, with its parameters among these tensors. None if it is not known.

    Looked at are `graph.json` in the folder of the file `near` and in the folder above, `others`, and the registry.
    `image` is the shape of the input if the file states it. `forms` are the forms of a graph that a file may hold.
    """
    for graph in _candidates(title, shapes, near, image, others):
        if graph.digest != digest or (image is not None and graph.input_shape != image):
            continue
        for form in forms:
            found = form(graph)
            if all(shapes.get(name) == param.shape for name, param in found.params.items()):
                return found
    return None


def registered(title: str, shapes: Shapes, image: Shape | None = None) -> Iterator[Graph]:
    """Graphs of the registry with this title, at the number of classes and channels that the tensors have.

    The first one is for the image size of the paper, or of `image`.
    """
    try:
        name, options = network_of(title)
        base = architecture(name, **options)
        head, first = head_of(base, base.outputs[0])[-1], next(iter(base.params))
    except (DiptychError, StopIteration):
        return
    form: dict[str, Any] = dict(options)
    if f"{head}.weight" in shapes:
        form["num_classes"] = shapes[f"{head}.weight"][0]
    if image is not None:
        form |= {"in_channels": image[0], "image_size": image[1:]}
    elif first in shapes and isinstance(next(iter(base)).op, Conv):
        form["in_channels"] = base.input_shape[0] * shapes[first][1] // base.params[first].shape[1]
    for size in [None, *(SIZES if image is None else ())]:
        try:
            yield architecture(name, **form, **({"image_size": size} if size else {}))
        except DiptychError:  # the network cannot take this size
            continue


def _candidates(
    title: str, shapes: Shapes, near: Path, image: Shape | None, others: Iterable[Graph]
) -> Iterator[Graph]:
    for file in (near.parent / "graph.json", near.parent.parent / "graph.json"):
        if os.path.isfile(file):
            try:
                yield resolve(str(file))
            except DiptychError:  # another program's file
                continue
    yield from others
    yield from registered(title, shapes, image)


def with_blocks(graph: Graph) -> Graph:
    """The graph with the block calls of the registered network that it came from, where its nodes have their names."""
    if graph.blocks:
        return graph
    shapes = {name: param.shape for name, param in graph.params.items()}
    drawn = next(registered(graph.name, shapes, graph.input_shape), None)
    if drawn is None:
        return graph
    names = {node.name for node in graph}
    calls = (replace(call, nodes=tuple(name for name in call.nodes if name in names)) for call in drawn.blocks)
    return replace(graph, blocks=tuple(call for call in calls if call.nodes))
