"""Small graphs of three kinds, inputs for their Keras models, and the models compiled and wrapped as users do."""

from typing import Any

import keras
import numpy as np

from netspec import Graph, explicit_noise, functional as f, trace
from netspec.probes import probe_images
from netspec.tracer import Heads, Tensor

BATCH = 4


def plain() -> Graph:
    def network(x: Tensor) -> Tensor:
        x = f.max_pool(f.conv_bn(x, 6, 3, name="stem"), 2)
        x = f.add(x, f.conv_bn(x, 6, 3, name="block.conv"))
        return f.linear(f.flatten(f.avg_pool(x, 2)), 5, name="fc")

    return trace("plain", (3, 12, 8), network)


def headed() -> Graph:
    def network(x: Tensor) -> Heads:
        x = f.conv_bn(x, 6, 3, 2, name="stem")
        aux = f.linear(f.flatten(f.dropout(x, 0.5)), 5, name="aux.fc")
        return {f.classify(f.conv_bn(x, 8, 3, name="conv"), 5): 1.0, aux: 0.3}

    return trace("headed", (3, 12, 8), network)


def noisy() -> Graph:
    return explicit_noise(trace("noisy", (3, 12, 8), lambda x: f.linear(f.dropout(f.flatten(x), 0.5), 5, name="fc")))


GRAPHS = {graph.__name__: graph for graph in (plain, headed, noisy)}


def feeds(graph: Graph, batch: int = BATCH) -> Any:
    """What the model takes: images `(N, H, W, C)`, and draws where it has inputs for them."""
    generator = np.random.default_rng(0)
    draws = [generator.random((batch, *shape[1:], shape[0])) < 0.5 for shape in list(graph.inputs.values())[1:]]
    values = [probe_images(graph, batch).transpose(0, 2, 3, 1), *(draw.astype(np.float32) for draw in draws)]
    return values if len(values) > 1 else values[0]


def labels(batch: int = BATCH) -> np.ndarray:
    return np.arange(batch) % 2


def compiled(model: keras.Model) -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss, metrics=["accuracy"], jit_compile=False)
    return model


class Own(keras.Model):
    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.network(inputs, training=training)
