"""A built network in Keras: a functional model that keeps its graph in its layers. Finds it inside other models.

Keras knows these classes and `keras_impl.layers` once the package is imported (`keras_impl.quiet`).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import keras

from diptych.errors import GraphError
from keras_impl.layers import Dense, Layer, registered
from netspec import Graph, without_heads
from netspec.graph import LOGITS
from netspec.ops import Op

FRAMES = 50_000
# What handlers use. Earlier files of a model have Keras's own dense layer.
KERAS_OWN = (Dense, keras.layers.Dense, keras.layers.Add, keras.layers.Multiply, keras.layers.Concatenate)


@registered
class Network(keras.Model):
    """A functional model of a graph. Its layers keep the graph, since Keras copies a model from its layers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        with deep_recursion():
            super().__init__(*args, **kwargs)

    @property
    def spec(self) -> Graph:
        """The graph. Raises `GraphError` if the layers no longer match its nodes."""
        return spec_of(self)


# The networks that are inside functional models: one for each, so that a model may use it twice. As an attribute it
# would be saved with the network.
_INSIDE: WeakKeyDictionary["Headed", Network] = WeakKeyDictionary()


@registered
class Headed(Network):
    """A network with auxiliary heads: it gives each head by its name in training, and only the logits in evaluation.

    Compile and fit it like any other model. All heads have the same targets. The loss is the sum of the heads' losses,
    weighted as in the graph. Metrics use the logits.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Inside another functional model it always gives only the logits, since such a model has one form."""
        if any(isinstance(x, keras.KerasTensor) for x in keras.tree.flatten((args, kwargs))):
            if self not in _INSIDE:
                _INSIDE[self] = Network(self.input, self.output[LOGITS], name=self.name)
            return _INSIDE[self](*args, **kwargs)
        return super().__call__(*args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        heads = super().call(inputs, training=training, mask=mask)
        return heads if training else heads[LOGITS]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        total, heads = 0.0, by_name(y_pred)
        for name, output in heads.items():
            weight = self.spec.heads[name]  # passed as a sample weight, so that the loss is float32 in any precision
            total += super().compute_loss(x, y, output, weight if sample_weight is None else weight * sample_weight)
        # Each of them has the losses that layers add, as regularizers do; they count once.
        return total - (len(heads) - 1) * sum(keras.ops.sum(loss) for loss in self.losses)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return super().compute_metrics(x, y, by_name(y_pred)[LOGITS], sample_weight)


def by_name(output: Any) -> dict[str, Any]:
    """A network's output as a dictionary, with or without auxiliary heads."""
    return output if isinstance(output, dict) else {LOGITS: output}


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Raise the limit: Keras recurses over a model's graph, up to ten frames a node, and resnet1202 has 4,209 nodes."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def network_of(model: keras.Model) -> keras.Model:
    """The network inside a model: the model itself, or the only layer of a `Sequential` or functional model.

    Raises `GraphError` for a model with layers of the user's own.
    """
    if not isinstance(model, keras.Sequential | keras.Model):
        raise GraphError(f"expected a model made by keras_impl.build, not a {type(model).__name__}")
    inside = _operations(model)
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        advice = next((f": pass the network inside it, '{part.name}'" for part in inside), "")
        raise GraphError(f"'{model.name}' is a subclassed model{advice}")
    if len(inside) == 1 and isinstance(inside[0], keras.Model):
        return network_of(inside[0])
    if nested := [layer.name for layer in inside if isinstance(layer, keras.Model)]:
        raise GraphError(f"'{model.name}' has layers around the network: pass the model inside it, '{nested[0]}'")
    return model


def _operations(model: keras.Model) -> list[Any]:
    """A model's parts without its inputs. In a functional model they include operations that are not layers."""
    parts = model.operations if hasattr(model, "operations") else model.layers
    return [part for part in parts if not isinstance(part, keras.layers.InputLayer)]


def spec_of(model: keras.Model) -> Graph:
    """The graph of a model that `build` made, also if Keras loaded, cloned or nested it.

    Raises `GraphError` for a model that is not a network, or that is more than a network.
    """
    network = network_of(model)
    layers = {layer.name: layer for layer in _operations(network)}
    graph = next((layer.network for layer in layers.values() if isinstance(layer, Layer) and layer.network), None)
    if graph is None:
        raise GraphError(f"'{network.name}' has no graph: pass the model made by keras_impl.build")
    if len(layers) < len(graph.nodes):
        graph = without_heads(graph)
    ops = {node.name: node.op for node in graph}
    odd = [name for name, layer in layers.items() if name not in ops or not _is_of(layer, ops[name])]
    for name in [*odd, *(name for name in ops if name not in layers)][:1]:
        problem = "has a foreign or changed layer" if name in layers else "lacks the layer"
        raise GraphError(f"'{network.name}' {problem}, '{name}': pass the model made by keras_impl.build")
    return graph


def _is_of(layer: Any, op: Op) -> bool:
    """Whether a layer is what the op's handler makes, and was not quantized or adapted by LoRA later."""
    if isinstance(layer, Layer):
        return layer.op.kind == op.kind
    changed = getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False)
    return type(layer) in KERAS_OWN and not changed
