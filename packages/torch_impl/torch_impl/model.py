"""From a graph to a PyTorch module."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import fx, nn

from netspec import Graph
from netspec.registry import resolve
from netspec.weights import weights_of
from torch_impl.ops import HANDLERS
from torch_impl.weights import set_weights


def build(
    model: str | Graph,
    *,
    weights: str | os.PathLike[str] | Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
    **options: Any,
) -> nn.Module:
    """The network as a module, `image` float `(N, C, H, W)` to logits `(N, classes)`.

    `model` is an architecture's name, with `num_classes`, `in_channels`, `image_size` and its own options
    as for `netspec.architecture`, or a finished `Graph`. `weights` are canonical, a file or arrays; without
    them the initial ones of `seed` are drawn. Every node is a submodule at its dotted path, so the
    `state_dict` has the canonical names; `model.meta["spec"]` is the graph, and `model.code` the forward
    pass as Python. A graph with explicit noise takes its draws as further inputs, in `graph.inputs`' order.
    """
    graph = resolve(model, **options)
    network = assemble(graph)
    set_weights(network, weights_of(graph, weights, seed))
    return network


def assemble(graph: Graph) -> fx.GraphModule:
    """The module with whatever weights PyTorch gives it."""
    program = fx.Graph()
    values = {name: program.placeholder(name.replace(".", "_")) for name in graph.inputs}
    modules = {}
    for node in graph:
        modules[node.name] = HANDLERS[node.op.kind](node.op, *graph.input_shapes(node))
        values[node.name] = program.call_module(node.name, tuple(values[source] for source in node.inputs))
    outputs = [values[output] for output in graph.outputs]
    program.output(outputs[0] if len(outputs) == 1 else tuple(outputs))
    network = fx.GraphModule(modules, program, class_name="Network")
    network.meta["spec"] = graph
    return network
