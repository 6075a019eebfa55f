"""Canonical weights in and out of a Keras model."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

import netspec
from keras_impl.layers import Layer
from netspec import Graph, without_heads
from netspec.errors import GraphError
from netspec.init import Weights
from netspec.layout import from_channels_last, to_channels_last
from netspec.ops import Param
from netspec.weights import check_weights

VARIABLES = {  # the spec's kind of a parameter -> the layer's attribute
    "kernel": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "mean": "moving_mean",
    "variance": "moving_variance",
}
LAYOUTS = {4: "conv kernel", 2: "linear kernel", 1: "vector"}


def network_of(model: keras.Model) -> keras.Model:
    """The network inside a model: the model itself, or the only layer of a `Sequential` or functional model.

    Raises `GraphError` for a model that has layers of the user's own.
    """
    if not isinstance(model, keras.Sequential | keras.Model):
        raise GraphError(f"a model that keras_impl.build made is needed, not a {type(model).__name__}")
    inside = _operations(model)
    if len(inside) == 1 and isinstance(inside[0], keras.Model):
        return network_of(inside[0])
    if nested := [layer.name for layer in inside if isinstance(layer, keras.Model)]:
        raise GraphError(f"'{model.name}' has layers around the network: pass the model inside it, '{nested[0]}'")
    return model


def _operations(model: keras.Model) -> list[Any]:
    """What a model is made of, inputs left out; of a functional model also operations that are no layers."""
    parts = model.operations if hasattr(model, "operations") else model.layers
    return [part for part in parts if not isinstance(part, keras.layers.InputLayer)]


def spec_of(model: keras.Model) -> Graph:
    """The graph of a model that `build` made, also of one that Keras loaded or cloned or that holds it alone.

    Raises `GraphError` for a model that is not a network and nothing else.
    """
    network = network_of(model)
    layers = {layer.name: layer for layer in _operations(network)}
    graph = next((layer.network for layer in layers.values() if isinstance(layer, Layer) and layer.network), None)
    if graph is None:
        raise GraphError(f"'{network.name}' holds no graph: pass the model that keras_impl.build made")
    if len(layers) < len(graph.nodes):
        graph = without_heads(graph)
    ops = {node.name: node.op for node in graph}
    for name in [*(name for name in layers if name not in ops), *(name for name in ops if name not in layers)][:1]:
        problem = "has a layer of its own" if name in layers else "lacks the layer"
        raise GraphError(f"'{network.name}' {problem}, '{name}': pass the model that keras_impl.build made")
    return graph


def variables(model: keras.Model) -> Iterator[tuple[str, Param, Any]]:
    """Every tensor's canonical name, its place in the spec, and the Keras variable that holds it."""
    layers = {layer.name: layer for layer in network_of(model).layers}
    for name, param in spec_of(model).params.items():
        yield name, param, getattr(layers[name.rpartition(".")[0]], VARIABLES[param.kind])


def set_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Copy canonical arrays into the model, in its own precision."""
    check_weights(spec_of(model), weights)
    for name, param, variable in variables(model):
        variable.assign(to_channels_last(weights[name], LAYOUTS[len(param.shape)]))


def get_weights(model: keras.Model) -> Weights:
    """Copies of the model's tensors by canonical name, in its own precision."""
    return {
        name: np.ascontiguousarray(from_channels_last(keras.ops.convert_to_numpy(variable), LAYOUTS[len(param.shape)]))
        for name, param, variable in variables(model)
    }


def save_weights(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Write a canonical weight file, float32, that every builder reads."""
    netspec.save_weights(spec_of(model), get_weights(model), path)


def load_weights(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Read a canonical weight file. Raises `WeightsError` when it is damaged or of another network."""
    set_weights(model, netspec.load_weights(spec_of(model), path))
