"""Checks the tensors of an ONNX graph: their values are in the file, finite, and those of the file's own hash."""

import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from deploy.contract import WEIGHTS_HASH, Contract
from deploy.errors import ModelError

WEIGHT = "weight"  # doc string of an initializer that is a canonical weight, not an operator's constant
FLOAT, UINT8, HALF, DOUBLE = 1, 2, 10, 11  # TensorProto.DataType
_FLOATS = {FLOAT: "<f4", HALF: "<f2", DOUBLE: "<f8"}  # the types of which values are checked


def is_external(tensor: Any) -> bool:
    """Whether the values of a tensor are in another file than its model."""
    return bool(tensor.data_location or len(tensor.external_data))


def check_tensors(graph: Any, source: object) -> None:
    for tensor in _tensors(graph):
        name = shown(tensor.name) or "a constant"
        if is_external(tensor):
            raise ModelError(f"{source}: keeps '{name}' in another file; a model must be one file")
        if any(size < 0 for size in tensor.dims):
            raise ModelError(f"{source}: '{name}' has a negative size")
        if tensor.data_type in _FLOATS:
            _check_finite(tensor, name, source)


def check_weights(graph: Any, contract: Contract, source: object) -> None:
    weights = [tensor for tensor in graph.initializer if tensor.doc_string == WEIGHT.encode()]
    if weights and contract.weights_sha256 and _weights_hash(weights) != contract.weights_sha256:
        raise ModelError(f"{source}: its weights do not match its own {WEIGHTS_HASH}: they were changed or damaged")


def _weights_hash(weights: list[Any]) -> str:
    """SHA-256 over names and float32 values in order of the names, as `netspec.weights` defines it."""
    total = hashlib.sha256()
    for tensor in sorted(weights, key=lambda tensor: tensor.name):
        total.update(tensor.name)
        if (values := _values(tensor)) is not None:
            total.update(values.astype("<f4", copy=False).data)
    return total.hexdigest()


def _check_finite(tensor: Any, name: str, source: object) -> None:
    """No value may be NaN. Only a tensor of one value may be infinite (the padding of a max pool)."""
    size = math.prod(tensor.dims)
    try:
        values = _values(tensor)
    except ValueError:  # not a whole number of values
        values = np.empty(0, np.float32)
    if values is None:
        return
    if len(values) != size:
        raise ModelError(f"{source}: '{name}' does not have {size:,} values, as its shape says")
    with np.errstate(all="ignore"):  # if all values are finite, so is their sum, unless it overflows
        suspect = size and not math.isfinite(float(values.sum(dtype=np.float64)))
    if suspect and (np.isnan(values).any() or (size > 1 and not np.isfinite(values).all())):
        raise ModelError(f"{source}: '{name}' has values that are not finite")


def _values(tensor: Any) -> Any:
    """The values of a float tensor, flat; None for any other tensor."""
    kind = _FLOATS.get(tensor.data_type)
    if kind is None:
        return None
    if raw := tensor.raw_data:
        return np.frombuffer(raw, kind)
    values = {FLOAT: tensor.float_data, DOUBLE: tensor.double_data}.get(tensor.data_type)
    return None if values is None else np.fromiter(values, kind, len(values))


def graphs(graph: Any) -> Iterator[Any]:
    """A graph and all graphs inside its nodes."""
    yield graph
    for attribute in attributes(graph):
        if attribute.HasField("g"):
            yield from graphs(attribute.g)
        for inner in attribute.graphs:
            yield from graphs(inner)


def is_sparse(attribute: Any) -> bool:
    return attribute.HasField("sparse_tensor") or len(attribute.sparse_tensors) > 0


def attributes(graph: Any) -> Iterator[Any]:
    return (attribute for node in graph.node for attribute in node.attribute)


def _tensors(graph: Any) -> Iterator[Any]:
    for part in graphs(graph):
        yield from part.initializer
        for attribute in attributes(part):
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def shown(name: bytes) -> str:
    return name.decode(errors="backslashreplace")[:200]
