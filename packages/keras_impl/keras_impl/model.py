"""From a graph to a Keras model."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from keras_impl.layers import Layer, registered
from keras_impl.ops import HANDLERS
from keras_impl.weights import set_weights, spec_of
from netspec import Graph
from netspec.graph import LOGITS
from netspec.ops import Shape
from netspec.registry import resolve
from netspec.weights import weights_of

FRAMES = 50_000


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


@registered
class Network(keras.Model):
    """A functional model of a graph, which its layers keep: Keras makes copies of it from them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        with deep_recursion():
            super().__init__(*args, **kwargs)

    @property
    def spec(self) -> Graph:
        """The graph. Raises `GraphError` when the layers are not its nodes any more."""
        return spec_of(self)


@registered
class Headed(Network):
    """A network with auxiliary heads: in training it gives each by its name, in evaluation the logits alone.

    It is compiled and fitted like any other. The targets are those of every head, the loss is the sum of the
    heads' by the weights of the graph, and metrics are of the logits.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As a part of another functional model it is what it is in deployment, since that has one form for both."""
        if any(isinstance(x, keras.KerasTensor) for x in keras.tree.flatten((args, kwargs))):
            return Network(self.input, self.output[LOGITS], name=self.name)(*args, **kwargs)
        return super().__call__(*args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        heads = super().call(inputs, training=training, mask=mask)
        return heads if training else heads[LOGITS]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        total = 0.0
        for name, output in by_name(y_pred).items():
            weight = self.spec.heads[name]  # goes in as that of the samples: what comes out is float32 in any precision
            total += super().compute_loss(x, y, output, weight if sample_weight is None else weight * sample_weight)
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return super().compute_metrics(x, y, by_name(y_pred)[LOGITS], sample_weight)


def by_name(output: Any) -> dict[str, Any]:
    """What a network gives, as a dictionary whether it has auxiliary heads or not."""
    return output if isinstance(output, dict) else {LOGITS: output}


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Keras walks a model's graph by recursion, up to ten frames a node: resnet1202 has 4,209 nodes."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def channels_last(shape: Shape) -> Shape:
    """A logical shape as Keras lays it out."""
    return (*shape[1:], shape[0])
