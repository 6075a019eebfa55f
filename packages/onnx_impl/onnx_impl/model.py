"""Builds an ONNX model from a graph and canonical weights, without any framework."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, helper

from deploy.arguments import checked
from deploy.contract import Contract
from diptych.errors import ExportError, UsageError
from netspec import Graph, inference
from netspec.fold import fold_batch_norm as fold
from netspec.graph import LOGITS
from netspec.limits import check_onnx_size
from netspec.registry import resolve
from netspec.weights import weights_hash, weights_of
from onnx_impl.emit import Emit
from onnx_impl.ops import HANDLERS
from onnx_impl.shapes import BATCH, value
from onnx_impl.weights import add_initializers

OLDEST_OPSET = 13  # the first with Softmax over one axis, and with pads and bounds as inputs
DEFAULT_OPSET = 17
NEWEST_OPSET = 26  # the newest that constraints.txt's onnxruntime runs; onnx knows newer ones


@checked
def build(
    model: str | Graph,
    *,
    weights: str | os.PathLike[str] | Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
    opset: int = DEFAULT_OPSET,
    fold_batch_norm: bool = False,
    dtype: type | str = np.float32,
    every_node: bool = False,
    metadata: Mapping[str, str] | None = None,
    **options: Any,
) -> ModelProto:
    """The network as an ONNX model: `image` `(N, C, H, W)` to `logits` `(N, classes)`, N symbolic.

    `model`, `weights`, `seed` and `options` are as in the other builders. The inference graph is built, unless the
    graph has explicit noise: it is then built unchanged, and its draws are further inputs. Initializers have the
    canonical names. `every_node` makes the value of every node an output, for comparisons. `dtype` is float32 for files
    and float64 for the reference evaluator.

    Raises `ExportError` for an opset that is too old or too new and for a file above 2 GiB, and `WeightsError` for
    weights of another network.
    """
    check_opset(opset)
    if dtype not in (np.float32, np.float64, "float32", "float64"):
        raise UsageError(f"dtype = {dtype if isinstance(dtype, str) else dtype.__name__}: give float32 or float64")
    graph = resolve(model, **options)
    check_onnx_size(graph)
    weights = weights_of(graph, weights, seed)
    given = graph
    if len(graph.inputs) == 1:
        graph = inference(graph)
        weights = {name: weights[name] for name in graph.params}
    # the hash covers the weights in the file, without auxiliary heads
    contract = replace(contract_of(given), weights_sha256=weights_hash(weights))
    properties = {**contract.properties(), **(metadata or {})}
    if fold_batch_norm:
        graph, weights = fold(graph, weights)
    canonical = not fold_batch_norm and np.dtype(dtype) == np.float32
    return assemble(graph, weights, opset, np.dtype(dtype), every_node, properties, canonical)


def contract_of(graph: Graph) -> Contract:
    """The metadata about the network that every file has, whichever exporter wrote it."""
    height, width = graph.input_shape[1:]
    return Contract(image_size=(height, width), architecture=graph.name, graph_digest=graph.digest)


def check_opset(opset: int, newest: int = NEWEST_OPSET) -> None:
    """Raise `ExportError` for an opset that cannot be written or cannot be run."""
    if opset < OLDEST_OPSET:
        raise ExportError(f"opset {opset} is too old: the ops need {OLDEST_OPSET} or newer")
    if opset > newest:
        raise ExportError(f"opset {opset} is too new: ask for {newest} or older")


def assemble(
    graph: Graph,
    weights: Mapping[str, np.ndarray],
    opset: int,
    dtype: np.dtype,
    every_node: bool,
    properties: Mapping[str, str],
    canonical: bool,
) -> ModelProto:
    """The model, node by node. `canonical` says that the weights are those hashed in `weights_sha256`."""
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(
        onnx.GraphProto(name=graph.name),
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="diptych",
    )
    helper.set_model_props(model, dict(properties))
    body = model.graph
    add_initializers(body, weights, dtype, canonical)
    for node in graph:
        emit = Emit(graph, node, dtype, opset)
        HANDLERS[node.op.kind](node.op, emit)
        body.node.extend(emit.nodes)
        body.initializer.extend(emit.constants)

    kind = helper.np_dtype_to_tensor_dtype(dtype)
    once = {name: 1 for name, draw in graph.draws.items() if draw.for_batch}
    body.input.extend(value(name, shape, kind, once.get(name, BATCH)) for name, shape in graph.inputs.items())
    outputs = [node.name for node in graph] if every_node else list(graph.outputs)
    body.output.extend(value(name, graph.shapes[name], kind) for name in outputs)
    inner = [node.name for node in graph if node.name not in outputs]
    body.value_info.extend(value(name, graph.shapes[name], kind) for name in inner)
    if not every_node:
        rename_values(body, graph)
    return model


def value_name(graph: Graph, node: str) -> str:
    """The name of a node's value in a file: `logits` for the output. An inner node of that name gives it up."""
    return LOGITS if node == graph.outputs[0] else f"_{LOGITS}" if node == LOGITS else node


def rename_values(body: onnx.GraphProto, graph: Graph) -> None:
    """Give the values of the nodes, so far named after them, their names in a file."""
    for node in (LOGITS, graph.outputs[0]):
        if node in graph.shapes:
            rename(body, node, value_name(graph, node))


def rename(body: onnx.GraphProto, old: str, new: str) -> None:
    """Give a value another name everywhere."""
    for node in body.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for known in (*body.output, *body.value_info):
        known.name = new if known.name == old else known.name
