"""Faults of a graph: each changes one node, or two that exchange something. Most of them are a wrong attribute.

A fault takes a graph and a node, and returns the wrong graph; None if the node cannot have this fault.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from diptych.errors import GraphError, ShapeError
from netspec import Graph, Node
from netspec.ops import (
    Activation,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    Dropout,
    InstanceNorm,
    Linear,
    LocalResponseNorm,
    MaxPool,
    Op,
    RadixSoftmax,
    Scale,
    ShakeDrop,
    SliceChannels,
    StochasticDepth,
)
from parity.frameworks import FRAMEWORKS
from parity.mutants.mutant import SIDES, with_nodes, with_op

Fault = Callable[[Graph, Node], Graph | None]
EPSILONS = (1e-5, 1e-3)  # PyTorch's and Keras's defaults
OTHER = {  # activation -> one that is taken for it
    "relu": "relu6",
    "relu6": "relu",
    "sigmoid": "hard_sigmoid",
    "hard_sigmoid": "sigmoid",
    "silu": "hard_swish",
    "hard_swish": "silu",
    "mish": "silu",
    "gelu": "silu",
    "tanh": "sigmoid",
}


def attribute(change: Callable[[Any], Op | None]) -> Fault:
    """A fault that changes the op of the node alone."""

    def fault(graph: Graph, node: Node) -> Graph | None:
        op = change(node.op)
        return with_op(graph, node, op) if op and op != node.op else None

    return fault


def pad_moved(op: Op) -> Op | None:
    """A row of padding is above the map in place of below it, or a column left in place of right."""
    if not isinstance(op, Conv | MaxPool | AvgPool):
        return None
    top, bottom, left, right = op.padding
    if bottom:
        return replace(op, padding=(top + 1, bottom - 1, left, right))
    return replace(op, padding=(top, bottom, left + 1, right - 1)) if right else None


def ceil_mode(graph: Graph, node: Node) -> Graph | None:
    """The last, partial step of a pool is made where it is not, or left out where it is made."""
    op = node.op
    if isinstance(op, MaxPool):
        top, bottom, left, right = op.padding
        hangs = bottom > top or right > left
        padding = (top, top, left, left) if hangs else (top, bottom + 1, left, right + 1)
        changed: Op = replace(op, padding=padding)
    elif isinstance(op, AvgPool):
        changed = replace(op, overhang=(0, 0, 0, 0) if any(op.overhang) else (0, 1, 0, 1))
    else:
        return None
    wrong = with_op(graph, node, changed)
    return wrong if wrong.shapes[node.name] != graph.shapes[node.name] else None


def counted_padding(op: Op) -> Op | None:
    """Cells of padding count in an average where they do not, or the other way round."""
    if isinstance(op, AvgPool) and any(op.padding):
        return replace(op, count_include_pad=not op.count_include_pad)
    return None


def epsilon(op: Op) -> Op | None:
    """The epsilon of the other framework."""
    if isinstance(op, BatchNorm | InstanceNorm):
        return replace(op, epsilon=next(other for other in EPSILONS if other != op.epsilon))
    return None


def fraction(op: Op) -> Op | None:
    """The share of the old statistics is taken for the share of the new ones: Keras's momentum for PyTorch's."""
    return replace(op, fraction=1 - op.fraction) if isinstance(op, BatchNorm) and op.fraction < 1 else None


def alpha(op: Op) -> Op | None:
    """Alpha of a local response norm is not divided by its size, as in TensorFlow."""
    return replace(op, alpha=op.alpha * op.size) if isinstance(op, LocalResponseNorm) else None


def slope(op: Op) -> Op | None:
    """Another default for the slope of a leaky ReLU."""
    if isinstance(op, Activation) and op.fn == "leaky_relu":
        return replace(op, slope=0.3 if op.slope != 0.3 else 0.01)
    return None


def activation(op: Op) -> Op | None:
    """An activation that looks much like the right one."""
    return replace(op, fn=OTHER[op.fn]) if isinstance(op, Activation) and op.fn in OTHER else None


def dropped_bias(op: Op) -> Op | None:
    return replace(op, bias=False) if isinstance(op, Conv | Linear) and op.bias else None


def factor(op: Op) -> Op | None:
    """A residual's factor that is left out."""
    return replace(op, factor=1.0) if isinstance(op, Scale) else None


def slice_moved(op: Op) -> Op | None:
    return replace(op, start=op.start - 1, stop=op.stop - 1) if isinstance(op, SliceChannels) and op.start else None


def splits_regrouped(op: Op) -> Op | None:
    """Radix and groups of split attention are exchanged."""
    return replace(op, radix=op.groups, groups=op.radix) if isinstance(op, RadixSoftmax) else None


def rate(op: Op) -> Op | None:
    """The share that is dropped is taken for the share that is kept."""
    if isinstance(op, Dropout) and op.rate:
        return replace(op, rate=1 - op.rate)
    return None


def survival(op: Op) -> Op | None:
    if isinstance(op, StochasticDepth | ShakeDrop) and op.survival < 1:
        return replace(op, survival=1 - op.survival)
    return None


def concat_order(graph: Graph, node: Node) -> Graph | None:
    if not isinstance(node.op, Concat) or len(set(node.inputs)) < len(node.inputs):
        return None
    return with_nodes(graph, {node.name: replace(node, inputs=node.inputs[::-1])})


def stride_moved(graph: Graph, node: Node) -> Graph | None:
    """A convolution and the next one of its block exchange their strides (the two versions of ResNet-50)."""
    convs = [(other, other.op) for other in graph if isinstance(other.op, Conv) and scope(other) == scope(node)]
    for (one, a), (other, b) in pairwise(convs):
        if one is node and a.stride != b.stride:
            moved = replace(one, op=replace(a, stride=b.stride)), replace(other, op=replace(b, stride=a.stride))
            return with_nodes(graph, {wrong.name: wrong for wrong in moved})
    return None


def scope(node: Node) -> str:
    return node.name.rpartition(".")[0]


GRAPH_FAULTS: dict[str, Fault] = {
    "pad moved": attribute(pad_moved),
    "ceil mode": ceil_mode,
    "counted padding": attribute(counted_padding),
    "epsilon": attribute(epsilon),
    "fraction sense": attribute(fraction),
    "alpha undivided": attribute(alpha),
    "slope": attribute(slope),
    "another activation": attribute(activation),
    "dropped bias": attribute(dropped_bias),
    "factor left out": attribute(factor),
    "slice moved": attribute(slice_moved),
    "radix and groups exchanged": attribute(splits_regrouped),
    "dropout rate": attribute(rate),
    "survival": attribute(survival),
    "concat order": concat_order,
    "stride on another convolution": stride_moved,
}
SHOWN_IN = {"fraction sense": FRAMEWORKS, "dropout rate": FRAMEWORKS, "survival": FRAMEWORKS}


def wrong_graphs(graph: Graph, node: Node) -> Iterator[tuple[str, Graph, tuple[str, ...]]]:
    """Every fault that the node can have, with the wrong graph and the sides in which it shows.

    What is not a network, or does not fit the weights, is left out: a framework would refuse it.
    """
    for name, fault in GRAPH_FAULTS.items():
        try:
            wrong = fault(graph, node)
        except (GraphError, ShapeError):
            continue
        if wrong and wrong.params.items() <= graph.params.items():
            yield name, wrong, SHOWN_IN.get(name, SIDES)
