"""Runs a network in Keras."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from netspec import Graph, Node
from netspec.init import Weights
from netspec.layout import from_channels_last
from parity.runners.runner import PRECISIONS, RECIPE, Feeds, channels_last, sizes

MEMORY = 2**30  # bytes that a forward pass may fill; Keras keeps every value until the end of the pass


class KerasRunner:
    name = "keras"

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray], dtype: str) -> None:
        from keras_impl.quiet import import_keras

        import_keras()
        import keras

        from keras_impl.devices import choose_device
        from keras_impl.trainer import Trainer

        self.keras = keras
        self.dtype = dtype
        self.graph = graph
        self.trainer = Trainer(graph, weights, RECIPE, choose_device(PRECISIONS[dtype]))
        self.model = self.trainer.model

    def _tensors(self, feeds: Feeds) -> Any:
        tensors = [channels_last(feeds[name]).astype(self.dtype) for name in self.graph.inputs]
        return tensors if len(tensors) > 1 else tensors[0]

    @staticmethod
    def count(network: Graph, node: Node) -> tuple[int, int]:
        """Trainable and total of one layer."""
        import keras

        from keras_impl.model import channels_last as shape_of
        from keras_impl.ops import HANDLERS

        shapes = network.input_shapes(node)
        with keras.StatelessScope():  # variables get shapes but no values
            layer = HANDLERS[node.op.kind](node.op, *shapes, name="layer", dtype="float32")
            layer.build((None, *shape_of(shapes[0])))
        return sizes(*([variable.shape for variable in group] for group in (layer.trainable_weights, layer.weights)))

    def num_params(self) -> tuple[int, int]:
        groups = self.model.trainable_weights, self.model.weights  # without the states of random draws
        return sizes(*([variable.shape for variable in group] for group in groups))

    def weights(self) -> Weights:
        import keras_impl

        return keras_impl.get_weights(self.model)

    def forward(self, feeds: Feeds) -> np.ndarray:
        values = sum(math.prod(shape) for shape in self.graph.shapes.values())
        batch = max(1, MEMORY // (values * np.dtype(self.dtype).itemsize))
        parts = [slice(i, i + batch) for i in range(0, len(feeds["image"]), batch)]
        logits = [self.model(self._tensors({k: v[part] for k, v in feeds.items()}), training=False) for part in parts]
        return np.concatenate(logits)

    def values(self, feeds: Feeds, training: bool = False) -> Weights:
        from keras_impl.model import connect
        from keras_impl.network import deep_recursion

        layers = {node.name: self.model.get_layer(node.name) for node in self.graph}
        inputs, values = connect(self.graph, layers, self.dtype)
        with deep_recursion():
            every = self.keras.Model(inputs, {name: values[name] for name in layers})
        return {
            name: _channels_first(np.asarray(v)) for name, v in every(self._tensors(feeds), training=training).items()
        }

    def tensors(self) -> Iterator[tuple[str, np.ndarray]]:
        from keras_impl.weights import of_variables, variables

        return of_variables(self.model, ((variable, variable) for _, _, variable in variables(self.model)))

    def native_onnx(self) -> Any:
        from keras_impl.export import convert, deployed

        return convert(deployed(self.model))


def _channels_first(array: np.ndarray) -> np.ndarray:
    return from_channels_last(array, "map") if array.ndim == 4 else array
