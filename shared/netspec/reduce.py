"""A small stand-in for a network: every distinct block once, on the smallest image that tests anything."""

import math
from functools import cache
from typing import Any

from diptych.errors import ShapeError
from netspec.graph import Graph, Node
from netspec.ops import AvgPool, Conv, Flatten, MaxPool
from netspec.registry import Drawing, architecture, drawing, find, smallest_image


@cache
def reduced(name: str, **options: Any) -> Graph:
    """The registered network with the fewest repeats that keep every distinct block, on a small square image.

    Every window is used, as on `least_image`. Where the network flattens a map of several pixels at its own size, its
    copy does too: one pixel has no order, and two builders that flatten in different orders would agree.
    """
    network, own_size = drawing(name, **options), find(name).input_shape[1:]
    own = network.on(*own_size, distinct_blocks=True)
    flattened = {node.name for node in own if _pixels(own, node) > 1}

    def build(size: int) -> Graph:
        graph = _used(network, size)
        for node in graph:
            if node.name in flattened and _pixels(graph, node) == 1:
                raise ShapeError(f"'{node.name}' flattens one pixel, which has no order")
        return graph

    size = smallest_image(build, max(own_size))
    return architecture(name, image_size=size, distinct_blocks=True, **options)


@cache
def least_image(name: str, **options: Any) -> int:
    """Side in pixels of the smallest square image on which every cell of every conv and pool window is used.

    A ResNet takes images of one pixel, but then its windows see little besides padding, and two builders that pad on
    different sides would agree.
    """
    network = drawing(name, **options)
    return smallest_image(lambda size: _used(network, size), max(find(name).input_shape[1:]))


def _used(network: Drawing, size: int) -> Graph:
    """The network with its distinct blocks. Raises `ShapeError` if a part of a window sees only padding."""
    graph = network.on(size, size, distinct_blocks=True)
    for node in graph:
        if _idles(graph, node):
            raise ShapeError(f"a part of the window of '{node.name}' sees only padding")
    return graph


def _pixels(graph: Graph, node: Node) -> int:
    """The pixels of the map that the node flattens; 0 for another op."""
    return math.prod(graph.input_shapes(node)[0][1:]) if isinstance(node.op, Flatten) else 0


def _idles(graph: Graph, node: Node) -> bool:
    """Whether a cell of the node's window is on padding at every position."""
    op = node.op
    if not isinstance(op, Conv | MaxPool | AvgPool):
        return False
    sizes, positions = graph.input_shapes(node)[0][1:], graph.shapes[node.name][1:]
    dilation = op.dilation if isinstance(op, Conv) else (1, 1)
    return any(
        not any(0 <= i * stride + cell * step - before < size for i in range(count))
        for size, count, kernel, stride, step, before in zip(
            sizes, positions, op.kernel, op.stride, dilation, (op.padding[0], op.padding[2]), strict=True
        )
        for cell in range(kernel)
    )
