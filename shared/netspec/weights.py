"""Canonical weights: one safetensors file, canonical names, PyTorch layouts, float32.

The file's metadata hold the digest of the graph that the weights belong to, a hash of the values and, where the
network has auxiliary heads, the names of the tensors that only these need.
"""

import hashlib
import os
from collections.abc import Mapping

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from netspec.errors import StorageError, WeightsError
from netspec.files import written_whole
from netspec.graph import Graph
from netspec.init import Weights, initial_weights

FORMAT = "diptych weights 1"


def weights_hash(weights: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names and values, in order of the names."""
    total = hashlib.sha256()
    for name in sorted(weights):
        total.update(name.encode())
        total.update(np.ascontiguousarray(weights[name], np.float32).data)
    return total.hexdigest()


def auxiliary(graph: Graph) -> list[str]:
    """Names of the tensors that the logits do not need: those of auxiliary heads."""
    needed = graph.ancestors(graph.outputs[:1])
    return [name for name in graph.params if name.rpartition(".")[0] not in needed]


def check_weights(graph: Graph, weights: Mapping[str, np.ndarray], source: str = "the weights") -> None:
    """Raise `WeightsError` unless names and shapes are exactly the graph's."""
    names = graph.params.keys()
    for name in [*(n for n in names if n not in weights), *(n for n in weights if n not in names)][:1]:
        problem = "is not in" if name in names else "is no tensor of the network but is in"
        without = set(weights) == set(names) - set(auxiliary(graph))
        problem += f" {source}" + (", nor is anything else of its auxiliary heads" if without else "")
        raise WeightsError(f"'{name}' of {graph.name} {problem}")
    for name, param in graph.params.items():
        if weights[name].shape != param.shape:
            raise WeightsError(
                f"'{name}' has the shape {weights[name].shape} in {source}, "
                f"but {graph.name} with images of {graph.input_shape} needs {param.shape}"
            )


def save_weights(graph: Graph, weights: Mapping[str, np.ndarray], path: str | os.PathLike[str]) -> None:
    """Write float32 tensors in the graph's order, whole or not at all."""
    check_weights(graph, weights)
    tensors = {name: np.ascontiguousarray(weights[name], np.float32) for name in graph.params}
    metadata = {
        "format": FORMAT,
        "architecture": graph.name,
        "digest": graph.digest,
        "sha256": weights_hash(tensors),
    }
    if surplus := auxiliary(graph):
        metadata["auxiliary"] = " ".join(surplus)
    with written_whole(path) as temporary:
        try:
            save_file(tensors, temporary, metadata)
        except SafetensorError as error:  # what it makes of a full disk
            raise StorageError(f"{path} cannot be written: {error}") from None


def weights_of(graph: Graph, weights: str | os.PathLike[str] | Mapping[str, np.ndarray] | None, seed: int) -> Weights:
    """What builders accept: canonical arrays, a file of them, or nothing for the initial ones of `seed`."""
    if weights is None:
        return initial_weights(graph, seed)
    return dict(weights) if isinstance(weights, Mapping) else load_weights(graph, weights)


def load_weights(graph: Graph, path: str | os.PathLike[str]) -> Weights:
    """Read a file of this very network: float32 arrays by canonical name.

    A network without auxiliary heads takes the file of one that has them, and lets their tensors go.

    Raises `WeightsError` when the file cannot be read, is damaged, or belongs to another network.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot read weights from {path}: {error}") from None
    if metadata.get("format") != FORMAT:
        raise WeightsError(
            f"{path} was not written by Diptych: its format is {metadata.get('format')!r}, not {FORMAT!r}"
        )
    surplus = metadata.get("auxiliary", "").split()
    kept = {name: array for name, array in weights.items() if name in graph.params or name not in surplus}
    if metadata.get("digest") != graph.digest:
        other = metadata.get("architecture")
        if other != graph.name:
            raise WeightsError(f"{path} holds weights of {other}, not of {graph.name}")
        check_weights(graph, kept, str(path))  # with other classes or channels a tensor's shape says so
        raise WeightsError(f"{path} holds weights of another network named {other}")
    check_weights(graph, kept, str(path))
    if any(array.dtype != np.float32 for array in weights.values()):
        raise WeightsError(f"{path} holds other numbers than float32")
    if metadata.get("sha256") != weights_hash(weights):
        raise WeightsError(f"{path} is damaged: its values do not have the hash that was written with them")
    return kept
