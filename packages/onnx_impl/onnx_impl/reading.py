"""Reads an ONNX file as one side of a comparison: its graph where the file is ours, and its tensors."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from deploy import runtime
from deploy.contract import Contract
from deploy.inspection import inspect_any, read_model
from deploy.isolation import BATCHES, try_model
from diptych.errors import ShapeError
from netspec import Graph, inference
from netspec.fold import fold_batch_norm
from netspec.init import Weights
from netspec.ops import AvgPool, Conv, MaxPool, Shape
from netspec.recovery import recovered
from onnx_impl.emit import Emit
from onnx_impl.model import rename_values, value_name
from onnx_impl.ops import HANDLERS

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
WINDOWS = {"Conv": Conv, "MaxPool": MaxPool, "AveragePool": AvgPool}


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """An ONNX file: `graph` is the network that its nodes are, None if its nodes are not those of the ONNX builder.

    `tensors` are the float initializers by name: if there is a graph, exactly its parameters. `batch` is the
    number of images that the file takes at a time; None for any number.
    """

    source: str
    model: ModelProto = field(repr=False)
    contract: Contract
    input_shape: Shape
    classes: int | None
    batch: int | None
    graph: Graph | None
    tensors: Weights = field(repr=False)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """float32 `(N, classes)` of float32 images `(N, C, H, W)`. Raises `ModelError` if onnxruntime fails."""
        session = runtime.load(self.model.SerializeToString(), self.source, provider=runtime.CPU)
        size = self.batch or len(images)
        filled = np.resize(images, (-(-len(images) // size) * size, *images.shape[1:]))  # repeats images at the end
        parts = np.split(filled, range(size, len(filled), size))
        return np.concatenate([runtime.infer(session, part, self.source) for part in parts])[: len(images)]

    def values(self, images: np.ndarray) -> Weights:
        """The value of every node of the graph, as the file computes it."""
        assert self.graph is not None
        model = ModelProto()
        model.CopyFrom(self.model)
        names = {value_name(self.graph, node.name): node.name for node in self.graph}
        del model.graph.output[:]
        model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
        session = runtime.load(model.SerializeToString(), self.source, provider=runtime.CPU)
        return dict(zip(names.values(), session.run(list(names), {"image": images}), strict=True))


def read_onnx(path: Path, *, unfinished: bool = False, others: Iterable[Graph] = ()) -> OnnxFile:
    """Read a file of ours, or of another program with one image as input. `others` are graphs that it may be of.

    A file of ours has its network's name and digest in its metadata. The graph is that of `graph.json` beside the file,
    one of `others` or the registry's, with the pads of the file, since these are not part of the digest. Raises
    `ModelError` for a file that is damaged or does not run.
    """
    source, content = str(path), read_model(path, unfinished=unfinished)
    found = inspect_any(content, source)
    if not found.hashed:
        batches = BATCHES if found.batch is None else (found.batch,)
        try_model(content, found.input_shape, source, batches=batches)
    model = onnx.load_model_from_string(content)
    tensors = {t.name: numpy_helper.to_array(t).copy() for t in model.graph.initializer if t.data_type in FLOATS}
    graph = _graph(model, found.contract, tensors, path, found.input_shape, others)
    if graph is not None:
        tensors = {name: tensors[name] for name in graph.params}
    return OnnxFile(source, model, found.contract, found.input_shape, found.classes, found.batch, graph, tensors)


def _graph(
    model: ModelProto, contract: Contract, tensors: Weights, path: Path, shape: Shape, others: Iterable[Graph]
) -> Graph | None:
    """The graph for which the ONNX builder writes exactly the nodes of the model; None if there is none."""
    shapes = {name: array.shape for name, array in tensors.items()}
    others = list(others)
    for form in (inference, _folded):
        graph = recovered(
            contract.architecture,
            contract.graph_digest,
            shapes,
            near=path,
            image=shape,
            others=others,
            forms=(form,),
        )
        if graph is not None and _emitted(found := _with_pads(graph, model), model) == _plain(model.graph.node):
            return found
    return None


def _folded(graph: Graph) -> Graph:
    graph = inference(graph)
    return fold_batch_norm(graph, {name: np.zeros(param.shape, np.float32) for name, param in graph.params.items()})[0]


def _with_pads(graph: Graph, model: ModelProto) -> Graph:
    """The graph with the pads that the model's windows have."""
    written = {node.output[0]: node for node in model.graph.node if node.op_type in WINDOWS}
    nodes = []
    for node in graph:
        op, found = node.op, written.get(value_name(graph, node.name))
        if isinstance(op, Conv | MaxPool | AvgPool) and found is not None and isinstance(op, WINDOWS[found.op_type]):
            pads = next((tuple(part.ints) for part in found.attribute if part.name == "pads"), ())
            if len(pads) == 4 and not (isinstance(op, AvgPool) and any(op.overhang)):
                top, left, bottom, right = pads
                op = replace(op, padding=(top, bottom, left, right))
        nodes.append(replace(node, op=op))
    try:
        return replace(graph, nodes=tuple(nodes))
    except ShapeError:  # the file runs, so these are not its nodes
        return graph


def _emitted(graph: Graph, model: ModelProto) -> list[bytes]:
    """The nodes that the ONNX builder writes for the graph, at the model's opset."""
    opset = next((entry.version for entry in model.opset_import if not entry.domain), 0)
    nodes: list[NodeProto] = []
    for node in graph:
        emit = Emit(graph, node, np.dtype(np.float32), opset)
        HANDLERS[node.op.kind](node.op, emit)
        nodes += emit.nodes
    body = onnx.GraphProto(node=nodes)
    rename_values(body, graph)
    return _plain(body.node)


def _plain(nodes: Iterable[NodeProto]) -> list[bytes]:
    """What the nodes compute, without comments."""
    copies = []
    for node in nodes:
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.ClearField("doc_string")
        copies.append(copy.SerializeToString(deterministic=True))
    return copies
