"""Finds where a comparison failed: the first node or the first tensor that differs."""

import math
from collections.abc import Mapping

import numpy as np

from netspec import Graph
from netspec.compare import limits, tensor_differences
from netspec.init import Weights
from parity.divergence import first_divergence
from parity.runners import OnnxRunner, Runner, Sides

IMAGES = 2  # every node's value is kept for each of them
MEMORY = 2 * 2**30  # bytes of one side's values; more than one side is in memory at a time


def by_values_in_float32(graph: Graph, runners: Sides, images: np.ndarray) -> str:
    """The first node at which two of the frameworks and the ONNX builder differ, or a text that there is none."""
    if IMAGES * sum(math.prod(shape) for shape in graph.shapes.values()) * images.itemsize > MEMORY:
        return f"{graph.name} has too many values at this size to search for the node"
    feeds = {"image": images[:IMAGES]}
    sides = {name: runner.values(feeds) for name, runner in runners.items()}
    sides["onnx"] = _onnx(graph, runners).values(feeds)
    found = first_divergence(graph, sides, limits().float32_forward)
    if found:
        return str(found)
    return (
        f"no node of the builders differs by more than {limits().float32_forward:.0e} of its magnitude: if the pair "
        "names a native export, the export differs; otherwise rounding errors add up"
    )


def by_values_in_float64(graph: Graph, runners: Sides, feeds: Mapping[str, np.ndarray], *, training: bool) -> str:
    """The first node at which the frameworks differ; in evaluation also the side that agrees with ONNX; or empty."""
    sides = {name: runner.values(feeds, training=training) for name, runner in runners.items()}
    judge = None if training else {"onnx": _onnx(graph, runners).values(feeds)}
    found = first_divergence(graph, sides, limits().float64, judge)
    return str(found) if found else ""


def _onnx(graph: Graph, runners: Mapping[str, Runner]) -> OnnxRunner:
    weights = runners["torch"].weights()
    return OnnxRunner(graph, {name: array.astype(np.float32) for name, array in weights.items()})


def by_tensors(graph: Graph, kind: str, torch: Weights, keras: Weights) -> str:
    """Where a difference begins if all nodes' values agree: gradients run against the graph, the rest along it."""
    values = tensor_differences(torch, keras)
    apart = [name for name in graph.params if name in values and not values[name] <= limits().float64]
    first = apart[-1 if kind == "gradients" else 0]
    return f"all values agree; torch and keras first differ in '{first}', at node '{first.rpartition('.')[0]}'"
