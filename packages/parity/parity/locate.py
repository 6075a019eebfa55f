"""Finds where a comparison failed: the first node or the first tensor that differs."""

import math

from netspec import Graph, explicit_noise
from netspec.compare import limits, tensor_differences
from netspec.init import Weights
from parity.divergence import first_divergence
from parity.runners import Sides
from parity.subject import Subject

MEMORY = 2 * 2**30  # bytes of one side's values; more than one side is in memory at a time


def by_values_in_float32(one: Subject, runners: Sides) -> str:
    """The first node at which two of the frameworks and the ONNX builder differ, or a text that there is none."""
    graph, images = one.graph, one.images["image"]
    count = MEMORY // (images.itemsize * sum(map(math.prod, graph.shapes.values())))  # as all nodes' values are kept
    if not count:
        return f"{graph.name} has too many values at this size to search for the node"
    feeds = {"image": images[:count]}
    sides = {name: runner.values(feeds) for name, runner in runners.items()}
    sides["onnx"] = one.onnx().values(feeds)
    if found := first_divergence(graph, sides, limits().float32_forward):
        return str(found)
    return (
        f"no node of the builders differs by more than {limits().float32_forward:.0e} of its magnitude: if the pair "
        "names a native export, the export differs; otherwise rounding errors add up, or what follows "
        f"'{graph.outputs[0]}' differs"
    )


def by_values_in_float64(one: Subject, *, training: bool) -> str:
    """The first node at which the frameworks differ.

    In training, with the draws of explicit noise; empty if there is none. In evaluation, also the side that agrees with
    ONNX; if there is none, the logits differ, so what follows the last node does.
    """
    feeds = one.feeds if training else one.images
    runners = one.frameworks("float64", noise=training)
    sides = {name: runner.values(feeds, training=training) for name, runner in runners.items()}
    graph = explicit_noise(one.graph) if training else one.graph
    judge = None if training else {"onnx": one.onnx().values(feeds)}
    if found := first_divergence(graph, sides, limits().float64, judge):
        return str(found)
    return "" if training else f"all values agree; what is returned after '{graph.outputs[0]}' does not"


def by_tensors(graph: Graph, kind: str, torch: Weights, keras: Weights) -> str:
    """Where a difference begins if all nodes' values agree: gradients run against the graph, the rest along it."""
    values = tensor_differences(torch, keras)
    apart = [name for name in graph.params if name in values and not values[name] <= limits().float64]
    first = apart[-1 if kind == "gradients" else 0]
    return f"all values agree; torch and keras first differ in '{first}', at node '{first.rpartition('.')[0]}'"
