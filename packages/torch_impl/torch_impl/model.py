"""From a graph to a PyTorch module."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, fx, nn

from netspec import Graph
from netspec.graph import LOGITS
from netspec.registry import resolve
from netspec.weights import weights_of
from torch_impl.ops import HANDLERS
from torch_impl.weights import set_weights

HEADS = "_heads"  # a name that no node can have


class Heads(nn.Module):
    """What a network with auxiliary heads gives: in training each by its name, in evaluation the logits, the first."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names

    def forward(self, *outputs: Tensor) -> Tensor | dict[str, Tensor]:
        return dict(zip(self.names, outputs, strict=True)) if self.training else outputs[0]


def build(
    model: str | Graph,
    *,
    weights: str | os.PathLike[str] | Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
    **options: Any,
) -> nn.Module:
    """The network as a module, `image` float `(N, C, H, W)` to logits `(N, classes)`.

    With auxiliary heads it gives a dictionary of them in training, `logits` first, and the logits in evaluation.
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
    outputs = tuple(values[output] for output in graph.outputs)
    if len(outputs) > 1:
        modules[HEADS] = Heads(tuple(graph.heads))
        program.output(program.call_module(HEADS, outputs))
    else:
        program.output(outputs[0])
    network = fx.GraphModule(modules, program, class_name="Network")
    network.meta["spec"] = graph
    return network


def by_name(output: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    """What a network gives, as a dictionary whether it has auxiliary heads or not."""
    return output if isinstance(output, dict) else {LOGITS: output}
