"""Builds a PyTorch module from a graph."""

import copy
import os
from collections.abc import Mapping
from keyword import iskeyword
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.fx.graph_module import reduce_graph_module
from torch.nn.modules.module import register_module_module_registration_hook

from deploy.arguments import checked
from diptych.errors import DiptychError, GraphError
from netspec import Graph
from netspec.graph import LOGITS
from netspec.registry import resolve
from netspec.weights import weights_of
from torch_impl.ops import HANDLERS
from torch_impl.weights import SPEC, encoded, set_weights

HEADS = "_heads"  # a name that no node can have
# A module with nodes below it has a dictionary here: each child's name, and the child if it holds nodes, or None.
PLACES = "_diptych_places"


class Heads(nn.Module):
    """The output of a network with auxiliary heads: each by its name in training, only the logits in evaluation."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names

    def forward(self, *outputs: Tensor) -> Tensor | dict[str, Tensor]:
        return dict(zip(self.names, outputs, strict=True)) if self.training else outputs[0]


class Network(fx.GraphModule):
    """The nodes of `spec` as submodules, and a program that calls them.

    It is copied and pickled like any other module. fx's own way would drop hooks, `meta` and the containers.
    """

    def __init__(self, spec: Graph) -> None:
        super().__init__(nn.Module(), fx.Graph(), class_name="Network")
        self.meta["spec"] = spec
        # The graph again, as a tensor: `torch.export` and `torch.jit.trace` keep only tensors.
        self.register_buffer(SPEC, encoded(spec), persistent=False)

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild, (state, imports) = super().__reduce__()
        assert rebuild is reduce_graph_module
        return _unpickled, (state, imports)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Network":
        twin = memo[id(self)] = _empty()
        twin.__dict__.update(
            {key: copy.deepcopy(value, memo) for key, value in self.__dict__.items() if key != "_graph"}
        )
        twin.graph = copy.deepcopy(self.graph)
        return twin

    def __copy__(self) -> "Network":
        twin = _empty()
        state = {key: copy.copy(value) if isinstance(value, dict) else value for key, value in self.__dict__.items()}
        twin.__dict__.update(state)
        twin.graph = copy.deepcopy(self.graph)
        return twin

    def __prepare_scriptable__(self) -> nn.Module:
        raise DiptychError(
            f"torch.jit.script cannot compile {self.meta['spec'].name}, whose layers are ordinary Python; "
            "torch.export.export, torch.compile and torch.jit.trace take it"
        )


def _empty() -> Network:
    """A network without attributes; the caller adds them."""
    network = Network.__new__(Network)
    type(network).__name__ = "Network"  # every GraphModule has a class of its own
    return network


def _unpickled(state: dict[str, Any], imports: str) -> Network:
    """A network from its attributes and from its program, which fx stores as Python."""
    program = reduce_graph_module(dict(state), imports).graph
    network = _empty()
    network.__dict__.update(state)
    network.graph = program  # type: ignore[assignment]
    return network


@checked
def build(
    model: str | Graph,
    *,
    weights: str | os.PathLike[str] | Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
    **options: Any,
) -> nn.Module:
    """Build the network as a module, from `image` float `(N, C, H, W)` to logits `(N, classes)`.

    With auxiliary heads it gives a dictionary of all heads in training, `logits` first, and the logits in evaluation.
    `model` is an architecture's name, with `num_classes`, `in_channels`, `image_size` and its own options as for
    `netspec.architecture`, or a finished `Graph`. `weights` are canonical, a file or arrays; by default initial weights
    are drawn from `seed`. Every node is a submodule at its dotted path, in the graph's order, so the `state_dict` has
    the canonical names. `model.meta["spec"]` is the graph, and `model.code` is the forward pass as Python. A graph with
    explicit noise takes its draws as further inputs, in the order of `graph.inputs`.

    Raises `GraphError` for a node with a name that a submodule cannot have.
    """
    graph = resolve(model, **options)
    network = assemble(graph)
    set_weights(network, weights_of(graph, weights, seed))
    return network


def assemble(graph: Graph) -> Network:
    """Build the module with PyTorch's initial weights."""
    network, program = Network(graph), fx.Graph()
    values = {name: program.placeholder(name.replace(".", "_")) for name in graph.inputs}
    layers: dict[str, nn.Module] = {}
    for node in graph:
        layers[node.name] = HANDLERS[node.op.kind](node.op, *graph.input_shapes(node))
        values[node.name] = program.call_module(node.name, tuple(values[source] for source in node.inputs))
    outputs = tuple(values[output] for output in graph.outputs)
    if len(outputs) > 1:
        layers[HEADS] = Heads(tuple(graph.heads))
        program.output(program.call_module(HEADS, outputs))
    else:
        program.output(outputs[0])
    plant(network, layers)
    network.graph = program
    return network


def over_the_weights_of(model: nn.Module, graph: Graph) -> nn.Module:
    """A module of `graph` that shares the parameters and buffers of `model`, which has the same ones."""
    with torch.device("meta"):
        twin = assemble(graph)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        owner, _, leaf = name.rpartition(".")
        if owner:  # the network's own buffer is its graph
            setattr(twin.get_submodule(owner), leaf, tensor)
    return twin


def plant(network: Network, layers: Mapping[str, nn.Module]) -> None:
    """Add every layer as the submodule at its dotted path, in order. A path without a layer becomes a bare module."""
    for layer in layers.values():
        layer.spec = network.meta["spec"]  # so that a trace of fx knows it
        # fx's tracer does not look into PyTorch's own modules, so it keeps the switch between training and evaluation.
        layer.__module__ = "torch.nn"
    for path in layers:
        parent: nn.Module = network
        parts = path.split(".")
        for depth, name in enumerate(parts, 1):
            places = parent.__dict__.setdefault(PLACES, {})
            if name not in places:
                place = ".".join(parts[:depth])
                _check_name(parent, name, place)
                parent.add_module(name, layers.get(place) or nn.Module())
                places[name] = None
            if depth < len(parts):
                places[name] = parent = parent.get_submodule(name)


def _check_name(parent: nn.Module, name: str, path: str) -> None:
    if iskeyword(name) or hasattr(parent, name):
        reason = "it is a keyword" if iskeyword(name) else f"{type(parent).__name__} has a '{name}' of its own"
        raise GraphError(f"'{path}' cannot name a layer in PyTorch: {reason}; give the node another name")


class Replacement(nn.Module):
    """Wraps a user's module that replaces a layer, if it cannot itself hold the nodes below that layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self._layer = layer

    def forward(self, *inputs: Tensor) -> Tensor:
        output: Tensor = self._layer(*inputs)
        return output


def keep_places(parent: nn.Module, name: str, module: nn.Module | None) -> nn.Module | None:
    """Let a module that replaces a layer hold the nodes below that layer.

    PyTorch calls this whenever a module gets a child. `stem.bn` is a child of `stem` only by its name, so it stays when
    `stem` is replaced. Raises `GraphError` for a module that replaces a whole scope but lacks its layers.
    """
    places = parent.__dict__.get(PLACES, {})
    if name in places and name not in parent._modules:  # deleted before: put it back in its place, not at the end
        parent._modules[name] = None
        for later in list(places)[list(places).index(name) + 1 :]:
            if later in parent._modules:
                parent._modules[later] = parent._modules.pop(later)
    old = places.get(name)
    if old is None or module is None or module is old:
        return None
    below = old.__dict__[PLACES]
    missing = [key for key in below if not _holds(module, key, old)]
    if missing and type(old) is nn.Module:
        raise GraphError(
            f"'{name}' is a group of layers, not a layer: {type(module).__name__} has no '{missing[0]}'; "
            "replace its layers one by one"
        )
    if missing and (isinstance(module, nn.Sequential) or any(hasattr(module, key) for key in missing)):
        module = Replacement(module)
        missing = list(below)
    places[name] = module
    module.__dict__.setdefault(PLACES, {}).update(below)
    for key in missing:
        if key in old._modules or below[key] is not None:
            module._modules[key] = old._modules.pop(key, below[key])
    return module


def _holds(module: nn.Module, key: str, old: nn.Module) -> bool:
    """Whether a module already has a network's layer at `key`: the old module's, or another network's."""
    child = module._modules.get(key)
    return child is not None and (child is old._modules.get(key) or key in module.__dict__.get(PLACES, {}))


register_module_module_registration_hook(keep_places)  # type: ignore[arg-type]  # what it returns is used


def by_name(output: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    """A network's output as a dictionary, with or without auxiliary heads."""
    return output if isinstance(output, dict) else {LOGITS: output}
