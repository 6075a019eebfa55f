"""Reads and writes the canonical weights of a Keras model."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

import netspec
from deploy.arguments import checked
from keras_impl.network import network_of, spec_of
from netspec.init import Weights
from netspec.layout import from_channels_last, to_channels_last
from netspec.ops import Param
from netspec.weights import checked_arrays

VARIABLES = {  # the spec's kind of a parameter -> the layer's attribute
    "kernel": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "mean": "moving_mean",
    "variance": "moving_variance",
}
LAYOUTS = {4: "conv kernel", 2: "linear kernel", 1: "vector"}


def variables(model: keras.Model) -> Iterator[tuple[str, Param, Any]]:
    """Every tensor's canonical name, its place in the spec, and the Keras variable that holds it."""
    layers = {layer.name: layer for layer in network_of(model).layers}
    for name, param in spec_of(model).params.items():
        yield name, param, getattr(layers[name.rpartition(".")[0]], VARIABLES[param.kind])


@checked
def set_weights(model: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Copy canonical arrays into the model, in its own precision.

    Raises `WeightsError` as `netspec.weights.checked_arrays` does.
    """
    arrays = checked_arrays(spec_of(model), weights)
    for name, param, variable in variables(model):
        variable.assign(to_channels_last(arrays[name], LAYOUTS[len(param.shape)]))


@checked
def get_weights(model: Any) -> Weights:
    """Copies of the model's tensors by canonical name, in its own precision."""
    return {
        name: np.ascontiguousarray(from_channels_last(keras.ops.convert_to_numpy(variable), LAYOUTS[len(param.shape)]))
        for name, param, variable in variables(model)
    }


def of_variables(model: keras.Model, values: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, np.ndarray]]:
    """Values that belong to variables, such as gradients, by canonical name and in the canonical layout."""
    places = {id(variable): (name, LAYOUTS[len(param.shape)]) for name, param, variable in variables(model)}
    for variable, value in values:
        name, layout = places[id(variable)]
        array = keras.ops.convert_to_numpy(value)
        yield name, from_channels_last(array, layout) if array.ndim else array


def to_variables(model: keras.Model, chosen: Iterable[Any], values: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The inverse of `of_variables`: the values of the chosen variables, in Keras's layout."""
    places = {id(variable): (name, LAYOUTS[len(param.shape)]) for name, param, variable in variables(model)}
    found = [(values[places[id(variable)][0]], places[id(variable)][1]) for variable in chosen]
    return [to_channels_last(value, layout) if value.ndim else value for value, layout in found]


@checked
def save_weights(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a canonical weight file, float32, that every builder reads."""
    netspec.save_weights(spec_of(model), get_weights(model), path)


@checked
def load_weights(model: Any, path: str | os.PathLike[str]) -> None:
    """Read a weight file or a run as `netspec.load_weights` does. Raises `WeightsError` for one that does not fit."""
    set_weights(model, netspec.load_weights(spec_of(model), path))
