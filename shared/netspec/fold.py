"""Folds batch norm into the convolution or dense layer before it, for inference."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from netspec.graph import Graph, Node
from netspec.init import Weights
from netspec.ops import BatchNorm, Conv, Linear


def fold_batch_norm(graph: Graph, weights: Mapping[str, np.ndarray]) -> tuple[Graph, Weights]:
    """The same function with fewer nodes: `w' = w * g / s`, `b' = beta + (b - mean) * g / s`, `s = sqrt(var + eps)`.

    A batch norm is folded if it is the only reader of the layer before it. The layer keeps its name and gets a bias.
    """
    producers = {node.name: node for node in graph}
    readers = [source for node in graph for source in node.inputs] + list(graph.outputs)
    folded = {
        node.inputs[0]: node
        for node in graph
        if isinstance(node.op, BatchNorm)
        and node.inputs[0] in producers
        and isinstance(producers[node.inputs[0]].op, Conv | Linear)
        and readers.count(node.inputs[0]) == 1
    }
    through = {norm.name: layer for layer, norm in folded.items()}
    nodes, values = [], dict(weights)
    for node in graph:
        if node.name in through:
            continue
        inputs = tuple(through.get(source, source) for source in node.inputs)
        op = node.op
        if node.name in folded:
            _fold_into(values, node.name, folded[node.name])
            op = replace(op, bias=True)  # type: ignore[call-arg]  # a Conv or a Linear
        nodes.append(Node(node.name, op, inputs))
    outputs = tuple(through.get(output, output) for output in graph.outputs)
    result = replace(graph, nodes=tuple(nodes), outputs=outputs)
    return result, {name: values[name] for name in result.params}


def _fold_into(values: Weights, layer: str, norm: Node) -> None:
    gamma, beta, mean, variance = (
        values[f"{norm.name}.{key}"].astype(np.float64) for key in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gamma / np.sqrt(variance + norm.op.epsilon)  # type: ignore[attr-defined]  # a BatchNorm
    weight = values[f"{layer}.weight"]
    kind = np.result_type(weight.dtype, np.float32)  # float16 would round what was multiplied
    bias = values.get(f"{layer}.bias", np.zeros(len(weight)))
    shape = (-1,) + (1,) * (weight.ndim - 1)
    values[f"{layer}.weight"] = (weight * factor.reshape(shape)).astype(kind)
    values[f"{layer}.bias"] = (beta + (bias - mean) * factor).astype(kind)
