"""From a graph to a Keras model."""

import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_impl.layers import Layer
from keras_impl.network import Headed, Network
from keras_impl.ops import HANDLERS
from keras_impl.weights import set_weights
from netspec import Graph
from netspec.graph import LOGITS
from netspec.ops import Shape
from netspec.registry import resolve
from netspec.weights import weights_of


def build(
    model: str | Graph,
    *,
    weights: str | os.PathLike[str] | Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
    dtype: Any = None,
    **options: Any,
) -> keras.Model:
    """The network as a functional model, `image` float `(N, H, W, C)` to logits `(N, classes)`.

    With auxiliary heads it gives a dictionary of them in training, and the logits in evaluation: see `Headed`.
    `model`, `weights`, `seed` and `options` are as for the other builders; `dtype` is Keras's own, a
    precision or a policy. Every node is a layer of its dotted path; `model.spec` is the graph. A graph with
    explicit noise takes its draws as further inputs, in `graph.inputs`' order.

    Keras saves, loads, clones, copies and nests it like any other model, and `spec` goes with it; where a file of
    it is loaded, `keras_impl` must have been imported.
    """
    graph = resolve(model, **options)
    network = assemble(graph, dtype)
    set_weights(network, weights_of(graph, weights, seed))
    return network


def assemble(graph: Graph, dtype: Any = None) -> keras.Model:
    """The model with whatever weights Keras gives it."""
    precision = keras.dtype_policies.get(dtype or keras.config.dtype_policy()).variable_dtype
    inputs = {
        name: keras.Input(channels_last(shape), name=name, dtype=precision) for name, shape in graph.inputs.items()
    }
    values, keeper = dict(inputs), None
    for node in graph:
        layer = HANDLERS[node.op.kind](node.op, *graph.input_shapes(node), name=node.name, dtype=dtype)
        if keeper is None and isinstance(layer, Layer):
            keeper, layer.network = layer, graph
        sources = [values[source] for source in node.inputs]
        values[node.name] = layer(sources[0] if len(sources) == 1 else sources)
    fed = list(inputs.values()) if len(inputs) > 1 else inputs["image"]
    outputs = {head: values[output] for head, output in zip(graph.heads, graph.outputs, strict=True)}
    return Headed(fed, outputs) if len(outputs) > 1 else Network(fed, outputs[LOGITS])


def channels_last(shape: Shape) -> Shape:
    """A logical shape as Keras lays it out."""
    return (*shape[1:], shape[0])
