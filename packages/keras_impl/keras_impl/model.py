"""Builds a Keras model from a graph."""

import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from deploy.arguments import checked
from diptych.errors import UsageError
from keras_impl.layers import Layer
from keras_impl.network import Headed, Network, deep_recursion
from keras_impl.ops import HANDLERS
from keras_impl.weights import set_weights
from netspec import Graph, Node
from netspec.graph import LOGITS
from netspec.ops import Shape
from netspec.registry import resolve
from netspec.weights import weights_of


@checked
def build(
    model: str | Graph,
    *,
    weights: str | os.PathLike[str] | Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
    dtype: Any = None,
    **options: Any,
) -> keras.Model:
    """Build the network as a functional model, from `image` float `(N, H, W, C)` to logits `(N, classes)`.

    With auxiliary heads it gives a dictionary of all heads in training and the logits in evaluation; see `Headed`.
    `model`, `weights`, `seed` and `options` are as for the other builders. `dtype` is Keras's own, a precision or a
    policy. Every node is a layer named by its dotted path. `model.spec` is the graph. A graph with explicit noise takes
    its draws as further inputs, in the order of `graph.inputs`.

    Keras saves, loads, clones, copies and nests the model like any other, and `spec` stays with it. To load a file of
    it, import `keras_impl` first.

    Raises `UsageError` for another `dtype`, and what the other builders raise.
    """
    graph = resolve(model, **options)
    try:
        keras.dtype_policies.get(dtype)
    except (ValueError, TypeError):
        raise UsageError(f"dtype = {dtype!r:.40}: give a precision or a policy of Keras, as 'float32'") from None
    network = assemble(graph, dtype)
    set_weights(network, weights_of(graph, weights, seed))
    return network


def assemble(graph: Graph, dtype: Any = None) -> keras.Model:
    """Build the model with Keras's initial weights."""
    layers = {node.name: layer_of(graph, node, dtype) for node in graph}
    keeper = next((layer for layer in layers.values() if isinstance(layer, Layer)), None)
    if keeper is not None:
        keeper.network = graph
    inputs, values = connect(graph, layers, dtype)
    heads = heads_of(graph, values)
    return Headed(inputs, heads) if len(heads) > 1 else Network(inputs, heads[LOGITS])


def over_the_layers_of(model: keras.Model, graph: Graph, dtype: Any = None) -> keras.Model:
    """A model of `graph` that reuses the layers of `model` for equal nodes. It gives every head by its name."""
    known = {node.name: node for node in model.spec}
    layers = {
        node.name: model.get_layer(node.name) if known.get(node.name) == node else layer_of(graph, node, dtype)
        for node in graph
    }
    inputs, values = connect(graph, layers, dtype)
    with deep_recursion():
        return keras.Model(inputs, heads_of(graph, values))


def layer_of(graph: Graph, node: Node, dtype: Any) -> keras.layers.Layer:
    """Make the layer of a node with the handler of its op."""
    return HANDLERS[node.op.kind](node.op, *graph.input_shapes(node), name=node.name, dtype=dtype)


def connect(graph: Graph, layers: Mapping[str, keras.layers.Layer], dtype: Any) -> tuple[Any, dict[str, Any]]:
    """Call the layers in the graph's order. Returns the input, or a list of inputs, and all values by name."""
    precision = keras.dtype_policies.get(dtype or keras.config.dtype_policy()).variable_dtype
    inputs = {
        name: keras.Input(channels_last(shape), name=name, dtype=precision) for name, shape in graph.inputs.items()
    }
    values = dict(inputs)
    for node in graph:
        sources = [values[source] for source in node.inputs]
        values[node.name] = layers[node.name](sources[0] if len(sources) == 1 else sources)
    return list(inputs.values()) if len(inputs) > 1 else inputs["image"], values


def heads_of(graph: Graph, values: Mapping[str, Any]) -> dict[str, Any]:
    """The logits and the auxiliary heads, by name."""
    return {head: values[output] for head, output in zip(graph.heads, graph.outputs, strict=True)}


def channels_last(shape: Shape) -> Shape:
    """A logical shape in Keras's order."""
    return (*shape[1:], shape[0])
