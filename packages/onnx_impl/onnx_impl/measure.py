"""Measures batch-norm statistics for networks that have not been trained.

With fresh weights and statistics of 0 and 1, the logits of many networks hardly depend on the image, or overflow (a
thousand residual blocks). Two implementations of different networks would then seem to agree.
"""

import math

import numpy as np
from onnx import helper

from netspec import Graph, inference
from netspec.init import Weights
from netspec.ops import BatchNorm
from netspec.probes import probe_images, probe_weights
from onnx_impl.model import build
from onnx_impl.verify import run

VALUES = 64  # the least number of values for a channel's statistics


def probe(graph: Graph, seed: int = 0) -> Weights:
    """The weights for comparing an untrained network: probe weights with measured statistics."""
    return measured_weights(graph, probe_weights(graph, seed), seed)


def measured_weights(graph: Graph, weights: Weights, seed: int = 0) -> Weights:
    """`weights` with every batch norm's mean and variance measured in one pass over random images.

    The pass runs BatchNormalization in training mode under onnxruntime, so no framework is needed. It stops at the
    logits, so the statistics of auxiliary heads stay unchanged.
    """
    graph = inference(graph)
    weights = dict(weights)
    norms = [node.name for node in graph if isinstance(node.op, BatchNorm)]
    if not norms:
        return weights
    model = build(graph, weights={name: weights[name] for name in graph.params})
    for node in model.graph.node:
        if node.op_type == "BatchNormalization":
            statistics = [f"{node.name}.running_mean", f"{node.name}.running_var"]
            measured = [f"measured.{name}" for name in statistics]
            node.output.extend(measured)
            node.attribute.extend([helper.make_attribute("training_mode", 1), helper.make_attribute("momentum", 0.0)])
            model.graph.output.extend(helper.make_tensor_value_info(name, 1, None) for name in measured)
    areas = [math.prod(graph.shapes[name][1:]) for name in norms]
    images = probe_images(graph, max(8, math.ceil(VALUES / min(areas))), seed)
    for name, values in run(model, {"image": images}).items():
        if name.startswith("measured."):
            weights[name.removeprefix("measured.")] = values.astype(np.float32)
    return weights
