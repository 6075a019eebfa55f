"""One surface over each way to run a network.

All take canonical arrays, images `(N, C, H, W)` and draws by input name, and give canonical arrays back:
logits, every node's value, gradients by parameter name. A framework is imported when its runner is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from netspec import Graph
from netspec.errors import ExportError
from netspec.init import Weights
from netspec.layout import from_channels_last, to_channels_last

Feeds = Mapping[str, np.ndarray]  # by input name, `image` first


@dataclass(frozen=True)
class TrainingPass:
    """What one pass in training mode gives: gradients of trainables, and batch-norm statistics after it."""

    gradients: Weights
    statistics: Weights


class Runner(Protocol):
    """A framework with a network in it."""

    name: str

    def num_params(self) -> tuple[int, int]:
        """Trainable and total, counted on the framework's own objects."""

    def weights(self) -> Weights:
        """Every tensor by canonical name."""

    def forward(self, feeds: Feeds) -> np.ndarray:
        """Logits `(N, classes)` in evaluation mode."""

    def values(self, feeds: Feeds, training: bool = False) -> Weights:
        """The value of every node, `(N, C, H, W)` or `(N, C)`."""

    def train_once(self, feeds: Feeds, direction: np.ndarray) -> TrainingPass:
        """One pass in training mode; the loss is `sum(logits * direction) / N`."""

    def native_onnx(self) -> Any:
        """The `ModelProto` that the framework's own exporter makes."""


class TorchRunner:
    name = "torch"

    def __init__(self, graph: Graph, weights: Weights, dtype: str) -> None:
        import torch

        import torch_impl

        self.torch = torch
        self.dtype = getattr(torch, dtype)
        self.graph = graph
        self.model = torch_impl.build(graph, weights=weights).to(self.dtype)

    def _tensors(self, feeds: Feeds) -> list[Any]:
        return [self.torch.from_numpy(feeds[name]).to(self.dtype) for name in self.graph.inputs]

    def num_params(self) -> tuple[int, int]:
        groups = self.model.parameters(), self.model.state_dict().values()
        trainable, total = (sum(tensor.numel() for tensor in group) for group in groups)
        return trainable, total

    def weights(self) -> Weights:
        import torch_impl

        return torch_impl.get_weights(self.model)

    def forward(self, feeds: Feeds) -> np.ndarray:
        with self.torch.no_grad():
            return self.model.eval()(*self._tensors(feeds)).numpy()

    def values(self, feeds: Feeds, training: bool = False) -> Weights:
        seen: Weights = {}

        class Recorder(self.torch.fx.Interpreter):  # type: ignore[misc, name-defined]
            def call_module(self, target: str, args: Any, kwargs: Any) -> Any:
                value = super().call_module(target, args, kwargs)
                seen[target] = value.detach().numpy()
                return value

        with self.torch.no_grad():
            Recorder(self.model.train(training)).run(*self._tensors(feeds))
        return seen

    def train_once(self, feeds: Feeds, direction: np.ndarray) -> TrainingPass:
        logits = self.model.train()(*self._tensors(feeds))
        parameters = dict(self.model.named_parameters())
        loss = (logits * self.torch.from_numpy(direction).to(self.dtype)).sum() / len(direction)
        gradients = self.torch.autograd.grad(loss, list(parameters.values()))
        return TrainingPass(
            {name: gradient.numpy() for name, gradient in zip(parameters, gradients, strict=True)},
            {name: buffer.numpy().copy() for name, buffer in self.model.state_dict().items() if name not in parameters},
        )

    def native_onnx(self) -> Any:
        from torch_impl.export import convert

        return convert(self.model)


class KerasRunner:
    name = "keras"

    def __init__(self, graph: Graph, weights: Weights, dtype: str) -> None:
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

    def num_params(self) -> tuple[int, int]:
        counts = [
            sum(int(np.prod(v.shape)) for v in group)
            for group in (self.model.trainable_weights, self.weights().values())
        ]
        return counts[0], counts[1]

    def weights(self) -> Weights:
        import keras_impl

        return keras_impl.get_weights(self.model)

    def forward(self, feeds: Feeds) -> np.ndarray:
        return np.asarray(self.model(self._tensors(feeds), training=False))

    def values(self, feeds: Feeds, training: bool = False) -> Weights:
        from keras_impl.model import deep_recursion

        outputs = {node.name: self.model.get_layer(node.name).output for node in self.graph}
        with deep_recursion(len(outputs)):
            every = self.keras.Model(self.model.input, outputs)
        return {
            name: _channels_first(np.asarray(v)) for name, v in every(self._tensors(feeds), training=training).items()
        }

    def train_once(self, feeds: Feeds, direction: np.ndarray) -> TrainingPass:
        import tensorflow as tf

        from keras_impl.weights import LAYOUTS, variables

        named = list(variables(self.model))
        trained = [(name, param, variable) for name, param, variable in named if param.trainable]
        with tf.GradientTape() as tape:
            logits = self.model(self._tensors(feeds), training=True)
            loss = tf.reduce_sum(logits * direction.astype(self.dtype)) / len(direction)
        gradients = tape.gradient(loss, [variable.value for _, _, variable in trained])
        return TrainingPass(
            {
                name: from_channels_last(np.asarray(gradient), LAYOUTS[len(param.shape)])
                for (name, param, _), gradient in zip(trained, gradients, strict=True)
            },
            {name: np.asarray(variable) for name, param, variable in named if not param.trainable},
        )

    def native_onnx(self) -> Any:
        from keras_impl.export import convert

        return convert(self.model)


class OnnxRunner:
    """The ONNX builder's graph under onnxruntime, float32 on the CPU."""

    name = "onnx"

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self.graph, self.given = graph, weights

    @cached_property
    def model(self) -> Any:
        import onnx_impl

        return onnx_impl.build(self.graph, weights=self.given)

    def num_params(self) -> tuple[int, int]:
        import onnx_impl

        held = onnx_impl.get_weights(self.model, self.graph)
        trainable = sum(array.size for name, array in held.items() if self.graph.params[name].trainable)
        return trainable, sum(array.size for array in held.values())

    def forward(self, feeds: Feeds) -> np.ndarray:
        return run_onnx(self.model, feeds)["logits"]

    def values(self, feeds: Feeds) -> Weights:
        import onnx_impl

        return run_onnx(onnx_impl.build(self.graph, weights=self.given, every_node=True), feeds)


def native_logits(runner: Runner, feeds: Feeds) -> np.ndarray:
    """Logits of the framework's own export under onnxruntime. Raises `ExportError` where there is none to run."""
    try:
        return run_onnx(runner.native_onnx(), feeds)["logits"]
    except Exception as error:  # exporters and runtime raise whatever they like; here it is a finding
        raise ExportError(f"the export of {runner.name} fails: {str(error).splitlines()[0]}") from error


def run_onnx(model: Any, feeds: Feeds) -> Weights:
    """Outputs of a `ModelProto` under onnxruntime."""
    from onnx_impl.verify import run

    return run(model, {name: np.asarray(array, np.float32) for name, array in feeds.items()})


def _channels_last(array: np.ndarray) -> np.ndarray:
    return to_channels_last(array, "map") if array.ndim == 4 else array


def _channels_first(array: np.ndarray) -> np.ndarray:
    return from_channels_last(array, "map") if array.ndim == 4 else array
