"""Canonical weights: one safetensors file with canonical names, PyTorch layouts and float32 values.

The file's metadata hold the digest of the graph, a hash of the values and, if the network has auxiliary heads, the
names of the tensors that only those heads need. Files from other programs are accepted if their tensors have the right
names and shapes.
"""

import hashlib
import os
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deploy.files import written_whole
from diptych.errors import WeightsError
from netspec.arrays import PRECISIONS, real_array
from netspec.graph import Graph
from netspec.init import Weights, initial_weights
from netspec.ops import Conv, Linear
from netspec.tensor_file import TensorFile, read_tensors, save_tensors, sort_metadata
from netspec.weight_names import names_in_file

FORMAT = "diptych weights 1"
Notice = Callable[[str], None]


def weights_hash(weights: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names and values, in order of the names."""
    total = hashlib.sha256()
    for name in sorted(weights):
        total.update(name.encode())
        total.update(np.ascontiguousarray(weights[name], np.float32).data)
    return total.hexdigest()


def deployed_hash(graph: Graph, weights: Mapping[str, np.ndarray]) -> str:
    """`weights_hash` of the tensors that are deployed: those of the auxiliary heads are not."""
    apart = set(auxiliary(graph))
    return weights_hash({name: weights[name] for name in graph.params if name not in apart})


def auxiliary(graph: Graph) -> list[str]:
    """Names of the tensors that the logits do not need: those of the auxiliary heads."""
    needed = graph.ancestors(graph.outputs[:1])
    return [name for name in graph.params if name.rpartition(".")[0] not in needed]


def check_weights(graph: Graph, weights: Mapping[str, Any], source: str, anew: Collection[str] = ()) -> None:
    """Raise `WeightsError` unless names and shapes are exactly the graph's. Those of `anew` do not matter."""
    check_names(graph, weights, source, anew)
    classes = graph.shapes[graph.outputs[0]][0]
    for name, param in graph.params.items():
        if name not in anew and tuple(weights[name].shape) != param.shape:
            raise WeightsError(
                f"'{name}' has shape {tuple(weights[name].shape)} in {source}, "
                f"but {graph.name} with {classes} classes and images of {graph.input_shape} needs {param.shape}"
            )


def checked_arrays(graph: Graph, weights: Mapping[str, Any]) -> Weights:
    """The values of a mapping as float arrays, in the graph's order.

    Raises `WeightsError` unless names and shapes are exactly the graph's, and all values are real numbers.
    """
    source = "the weights"
    check_names(graph, weights, source)
    arrays = {name: real_array(weights[name], name, source) for name in graph.params}
    check_weights(graph, arrays, source)
    return arrays


def check_names(graph: Graph, weights: Mapping[str, Any], source: str, anew: Collection[str] = ()) -> None:
    """Raise `WeightsError` unless the names are exactly the graph's. Those of `anew` may be missing."""
    missing = [name for name in graph.params if name not in weights and name not in anew]
    others = [name for name in weights if name not in graph.params]
    if missing:
        if others:
            hint = f"; it has {len(others):,} names that the network does not have, first {others[0]!r}"
        elif set(missing) == set(auxiliary(graph)):
            hint = ", and no other tensor of its auxiliary heads is; build the network with aux_heads=False"
        else:
            hint = ""
        raise WeightsError(f"{missing[0]!r} of {graph.name} is not in {source}{hint}")
    if others:
        raise WeightsError(f"{others[0]!r} is in {source}, but not in {graph.name}")


def save_weights(graph: Graph, weights: Mapping[str, np.ndarray], path: str | os.PathLike[str]) -> None:
    """Write float32 tensors, the whole file or nothing. Equal weights give byte-identical files.

    Raises `WeightsError` as `checked_arrays` does, and for values that float32 does not hold: no builder reads them.
    """
    arrays = checked_arrays(graph, weights)
    with np.errstate(over="ignore"):
        tensors = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
    _finite(tensors, f"{path} is not written")
    metadata = {
        "format": FORMAT,
        "architecture": graph.name,
        "digest": graph.digest,
        "sha256": weights_hash(tensors),
    }
    if surplus := auxiliary(graph):
        metadata["auxiliary"] = " ".join(surplus)
    with written_whole(path) as temporary:
        save_tensors(tensors, temporary, metadata)
        sort_metadata(temporary)


def weights_of(graph: Graph, weights: str | os.PathLike[str] | Mapping[str, np.ndarray] | None, seed: int) -> Weights:
    """The weights for a builder: canonical arrays, a file of them, or for None the initial weights of `seed`.

    Raises `WeightsError` as `checked_arrays` and `load_weights` do.
    """
    if weights is None:
        return initial_weights(graph, seed)
    return checked_arrays(graph, weights) if isinstance(weights, Mapping) else load_weights(graph, weights)


def load_weights(graph: Graph, path: str | os.PathLike[str], *, notice: Notice = warnings.warn) -> Weights:
    """Read a weight file of exactly this network: float32 arrays by canonical name, in the graph's order.

    Accepted are Diptych's own files, other safetensors files, and state dicts of PyTorch (`.pt`, `.pth`); no code in
    them is run. Names may have the prefixes of DataParallel and `torch.compile`, or one that they all have. float16,
    bfloat16 and float64 are converted to float32, and `notice` is called with a message. A network without auxiliary
    heads accepts Diptych's file of one that has them, and drops their tensors. `path` may also be a run's folder.

    Raises `WeightsError` if the file cannot be read, is damaged, or belongs to another network.
    """
    return _taken(graph, read_tensors(path), str(path), notice)


@dataclass(frozen=True, eq=False)
class Fitted:
    """Weights from a file, except for the tensors `anew`, which the file does not have in this form."""

    weights: Weights
    anew: tuple[str, ...] = ()


def fit_weights(
    graph: Graph, path: str | os.PathLike[str], initial: Weights, notice: Notice, anew: Collection[str] = ()
) -> Fitted:
    """`load_weights` for a network that is not quite the file's: what does not fit keeps `initial` values.

    That is the heads, if the file is of a network with another number of classes, and the tensors `anew`, which the
    file may lack or have in another shape. `notice` is called with a message about each of both. Raises `WeightsError`
    as `load_weights` does.
    """
    file = read_tensors(path)
    tensors = names_in_file(graph, file.tensors, str(path))
    heads = {name: head_of(graph, output) for name, output in zip(graph.heads, graph.outputs, strict=True)}
    last = f"{heads['logits'][-1]}.weight"
    own = graph.shapes[graph.outputs[0]][0]
    classes = len(tensors[last]) if last in tensors and tensors[last].ndim else own
    source, drawn = graph, set(anew)
    if drawn:
        notice(f"{_counted(graph, drawn)} drawn anew, whatever {path} has")
    if classes not in (0, own):
        source, nodes = with_classes(graph, classes), {node for nodes in heads.values() for node in nodes}
        which = f"the head {next(iter(nodes))} is" if len(nodes) == 1 else f"the heads {', '.join(sorted(nodes))} are"
        notice(f"{path} has weights for {classes} classes, not for {own}: {which} drawn anew")
        drawn |= {name for name in graph.params if name.rpartition(".")[0] in nodes}
    taken = _taken(graph, file, str(path), notice, drawn, source)
    weights = {name: initial[name] if name in drawn else taken[name] for name in graph.params}
    return Fitted(weights, tuple(name for name in graph.params if name in drawn))


def _counted(graph: Graph, names: Collection[str]) -> str:
    """`'a' and 2 further tensors are`."""
    first, *others = (name for name in graph.params if name in names)
    if not others:
        return f"'{first}' is"
    return f"'{first}' and {len(others)} further tensor{'s' * (len(others) > 1)} are"


def head_of(graph: Graph, output: str) -> list[str]:
    """The nodes with weights from `output` back to the convolution or dense layer that sets its number of channels."""
    nodes = {node.name: node for node in graph}
    found, node = [], nodes[output]
    while not isinstance(node.op, Conv | Linear):
        if node.op.params(*graph.input_shapes(node)):
            found.append(node.name)
        if node.inputs[0] not in nodes:
            raise WeightsError(f"{graph.name} has no layer that sets the number of its classes")
        node = nodes[node.inputs[0]]
    return [*found, node.name]


def with_classes(graph: Graph, classes: int) -> Graph:
    """The same network for another number of classes, in every head."""
    last = {head_of(graph, output)[-1] for output in graph.outputs}
    nodes = []
    for node in graph:
        op = node.op
        if node.name in last and isinstance(op, Conv):
            op = replace(op, out_channels=classes)
        elif node.name in last and isinstance(op, Linear):
            op = replace(op, out_features=classes)
        nodes.append(replace(node, op=op))
    return replace(graph, nodes=tuple(nodes), blocks=())


def _taken(
    graph: Graph,
    file: TensorFile,
    path: str,
    notice: Notice,
    anew: Collection[str] = (),
    source: Graph | None = None,
) -> Weights:
    """The tensors of a file, without those of `anew`. `source` is `graph` for the classes of the file."""
    if "diptych" in file.metadata.get("format", ""):
        return _own(graph, file, path, anew, source or graph)
    tensors, dtypes = (names_in_file(graph, part, path) for part in (file.tensors, file.dtypes))
    check_weights(graph, tensors, path, anew)
    names = [name for name in graph.params if name not in anew]
    for name in names:
        if dtypes[name] not in PRECISIONS:
            raise WeightsError(f"'{name}' is {dtypes[name]} in {path}: weights are float32")
    with np.errstate(over="ignore"):  # a float64 too large for float32 becomes infinite, which is refused
        weights = _finite({name: np.ascontiguousarray(tensors[name], np.float32) for name in names}, path)
    others = [name for name in names if dtypes[name] != "float32"]
    if others:
        rounded = ", and float64 is rounded" if "float64" in dtypes.values() else ""
        notice(
            f"{path} has '{others[0]}' as {dtypes[others[0]]}: {len(others)} tensors are converted to float32{rounded}"
        )
    return weights


def _own(graph: Graph, file: TensorFile, path: str, anew: Collection[str], source: Graph) -> Weights:
    """`_taken` of Diptych's own file. Its digest may differ where the tensors `anew` have another form in it."""
    metadata, weights = file.metadata, file.tensors
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path} is a file of another version of Diptych: its format is {metadata.get('format')!r}")
    surplus = metadata.get("auxiliary", "").split()
    kept = {name: array for name, array in weights.items() if name in graph.params or name not in surplus}
    if metadata.get("digest") != source.digest:
        other, misfit, is_whole = metadata.get("architecture"), _misfit(graph, kept, anew), not _misfit(source, kept)
        if other != graph.name and (misfit or is_whole):
            raise WeightsError(f"{path} has weights of {other}, not of {graph.name}{misfit}")
        check_weights(graph, kept, path, anew)  # names the tensor if classes or channels differ
        if is_whole:
            raise WeightsError(f"{path} has weights of another network with the same name, {other}")
    check_weights(graph, kept, path, anew)
    for name, dtype in file.dtypes.items():
        if dtype != "float32":
            raise WeightsError(f"{path} is damaged: {name!r} is {dtype}, not float32")
    if metadata.get("sha256") != weights_hash(weights):
        raise WeightsError(f"{path} is damaged: its values do not match the hash that was saved with them")
    return _finite({name: kept[name] for name in graph.params if name not in anew}, path)


def _finite(weights: Weights, path: str) -> Weights:
    """`weights`. Raises `WeightsError` for NaN and infinities, with which no network answers."""
    for name, array in weights.items():
        if (wrong := np.count_nonzero(~np.isfinite(array))) > 0:
            raise WeightsError(f"{path}: {wrong:,} of the {array.size:,} values of '{name}' are NaN or infinite")
    return weights


def _misfit(graph: Graph, tensors: Mapping[str, np.ndarray], anew: Collection[str] = ()) -> str:
    """The first tensor that does not fit, for the end of a message; empty if all do. Those of `anew` do not matter."""
    for name, param in graph.params.items():
        if name in anew:
            continue
        if name not in tensors:
            return f": it has no '{name}'"
        if tensors[name].shape != param.shape:
            return f": its '{name}' has shape {tensors[name].shape}, and {param.shape} fits"
    return next((f": its '{name}' is not in {graph.name}" for name in tensors if name not in graph.params), "")
