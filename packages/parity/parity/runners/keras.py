"""A network in Keras."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from netspec import Graph, Node
from netspec.init import Weights
from netspec.layout import from_channels_last, to_channels_last
from parity.runners.runner import RATE, STEP, Feeds, TrainingStep, rows, sizes
from parity.spool import Spool

MEMORY = 2**30  # bytes that a forward pass may fill: Keras keeps every value until its end


class KerasRunner:
    name = "keras"

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray], dtype: str) -> None:
        from keras_impl.quiet import import_keras

        import_keras()
        import keras

        import keras_impl

        self.keras = keras
        self.dtype = dtype
        self.graph = graph
        self.model = keras_impl.build(graph, weights=weights, dtype=dtype)

    def _tensors(self, feeds: Feeds) -> Any:
        tensors = [_channels_last(feeds[name]).astype(self.dtype) for name in self.graph.inputs]
        return tensors if len(tensors) > 1 else tensors[0]

    @staticmethod
    def count(network: Graph, node: Node) -> tuple[int, int]:
        """Trainable and total of one layer."""
        import keras

        from keras_impl.model import channels_last
        from keras_impl.ops import HANDLERS

        shapes = network.input_shapes(node)
        with keras.StatelessScope():  # its variables have shapes and no values
            layer = HANDLERS[node.op.kind](node.op, *shapes, name="layer", dtype="float32")
            layer.build((None, *channels_last(shapes[0])))
        return sizes(*([variable.shape for variable in group] for group in (layer.trainable_weights, layer.weights)))

    def num_params(self) -> tuple[int, int]:
        groups = self.model.trainable_weights, self.model.weights  # the states of draws are not among them
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
        from keras_impl.network import deep_recursion

        outputs = {node.name: self.model.get_layer(node.name).output for node in self.graph}
        with deep_recursion():
            every = self.keras.Model(self.model.input, outputs)
        return {
            name: _channels_first(np.asarray(v)) for name, v in every(self._tensors(feeds), training=training).items()
        }

    def train_once(self, feeds: Feeds, targets: np.ndarray) -> TrainingStep:
        import tensorflow as tf

        from keras_impl.network import by_name
        from keras_impl.optim import set_rate, sgd
        from keras_impl.weights import LAYOUTS, variables

        optimizer = sgd(self.model, STEP)
        set_rate(optimizer, RATE)
        loss = self.keras.losses.CategoricalCrossentropy(from_logits=True, dtype=self.dtype)
        trained = self.model.trainable_variables
        with tf.GradientTape() as tape:
            heads = by_name(self.model(self._tensors(feeds), training=True))
            weights = self.graph.heads
            total = sum(weights[name] * loss(targets.astype(self.dtype), output) for name, output in heads.items())
        gradients = tape.gradient(total, [variable.value for variable in trained])
        names = {id(variable): (name, LAYOUTS[len(param.shape)]) for name, param, variable in variables(self.model)}
        del tape, heads, total
        moved = Spool(
            (names[id(variable)][0], from_channels_last(np.asarray(gradient), names[id(variable)][1]))
            for variable, gradient in zip(trained, gradients, strict=True)
        )
        del gradients
        optimizer.build(trained)
        for variable in trained:  # one gradient at a time is in memory
            name, layout = names[id(variable)]
            optimizer.apply([tf.constant(to_channels_last(moved[name], layout))], [variable])
        del optimizer
        after = {
            name: rows(from_channels_last(np.asarray(variable), LAYOUTS[len(param.shape)]))
            for name, param, variable in variables(self.model)
        }
        return TrainingStep(moved, {name: after[name] for name in after if name not in moved}, after)

    def native_onnx(self) -> Any:
        from keras_impl.export import convert

        return convert(self.model)


def _channels_last(array: np.ndarray) -> np.ndarray:
    return to_channels_last(array, "map") if array.ndim == 4 else array


def _channels_first(array: np.ndarray) -> np.ndarray:
    return from_channels_last(array, "map") if array.ndim == 4 else array
