"""Proves that two networks compute the same function, though a fault was planted in one of them.

The proof is a hash from the image to the outputs: of each op's attributes and weights, and of what it reads, in any
order where the order does not count. Equal hashes mean that both compute the same expression. Different hashes prove
nothing.
"""

import hashlib

import numpy as np

from netspec.graph import IMAGE, attributes_of
from netspec.ops import Add, Mul, NoisyOp
from parity.subject import Build

COMMUTATIVE = (Add, Mul)


def same_function(one: Build, other: Build) -> bool:
    return one.after is other.after and _hash(one) == _hash(other)


def _hash(build: Build) -> str:
    hashes = {IMAGE: IMAGE}
    for node in build.graph:
        sources = [hashes.get(source, source) for source in node.inputs]
        params = node.op.params(*build.graph.input_shapes(node))
        parts = (
            node.op.kind,
            attributes_of(node.op),
            sorted(sources) if isinstance(node.op, COMMUTATIVE) else sources,
            [_bytes(build.weights[f"{node.name}.{param.name}"]) for param in params],
            node.name if isinstance(node.op, NoisyOp) else "",  # what it draws depends on its name
        )
        hashes[node.name] = hashlib.sha256(repr(parts).encode()).hexdigest()
    return repr([hashes[output] for output in build.graph.outputs])


def _bytes(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
