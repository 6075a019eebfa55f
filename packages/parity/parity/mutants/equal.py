"""Proves that two networks compute the same function, though a fault was planted in one of them.

The proof is a hash from the image to the outputs: of each op's attributes and weights, and of what it reads, in any
order where the order does not count. Equal hashes mean that both compute the same expression. Different hashes prove
nothing.
"""

import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np

from netspec import Graph, Node
from netspec.graph import IMAGE, attributes_of
from netspec.ops import Activation, Add, BatchNorm, Conv, Mul, NoisyOp, Scale
from parity.mutants.mutant import with_nodes
from parity.subject import Build

COMMUTATIVE = (Add, Mul)
ON_SINGLE_VALUES = (Activation, BatchNorm, Scale)  # at inference


def same_function(one: Build, other: Build, *, inference: bool) -> bool:
    """Whether both are proved to compute the same function; with `inference`, in evaluation only."""
    return one.after is other.after and _hash(one, inference) == _hash(other, inference)


def strides_first(graph: Graph) -> Graph:
    """The graph with the strides of 1x1 convolutions in the convolutions before them, where that changes nothing.

    Such a convolution reads one value in so many. If only ops on single values are between the two, and nobody else
    reads what is between, the first one need not compute the others.
    """
    nodes = {node.name: node for node in graph}
    readers = Counter([*graph.outputs, *(source for node in graph for source in node.inputs)])
    for node in graph:
        op, first = node.op, nodes.get(node.inputs[0])
        if not isinstance(op, Conv) or op.kernel != (1, 1) or op.stride == (1, 1) or any(op.padding):
            continue
        while first and isinstance(first.op, ON_SINGLE_VALUES) and readers[first.name] == 1:
            first = nodes.get(first.inputs[0])
        if first and readers[first.name] == 1 and isinstance(first.op, Conv) and _is_plain(first.op):
            nodes[first.name] = replace(first, op=replace(first.op, stride=op.stride))
            nodes[node.name] = replace(node, op=replace(op, stride=(1, 1)))
    return with_nodes(graph, nodes)


def _is_plain(op: Conv) -> bool:
    return op.stride == op.dilation == (1, 1)


def _hash(build: Build, inference: bool) -> str:
    graph, hashes = strides_first(build.graph) if inference else build.graph, {IMAGE: IMAGE}
    for node in graph:
        hashes[node.name] = _hash_of(node, graph, build, [hashes.get(source, source) for source in node.inputs])
    return repr([hashes[output] for output in graph.outputs])


def _hash_of(node: Node, graph: Graph, build: Build, sources: list[str]) -> str:
    params = node.op.params(*graph.input_shapes(node))
    parts = (
        node.op.kind,
        attributes_of(node.op),
        sorted(sources) if isinstance(node.op, COMMUTATIVE) else sources,
        [_bytes(build.weights[f"{node.name}.{param.name}"]) for param in params],
        node.name if isinstance(node.op, NoisyOp) else "",  # what it draws depends on its name
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _bytes(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
