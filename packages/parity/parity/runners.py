"""One surface over each way to run a network.

All take canonical arrays, images `(N, C, H, W)` and draws by input name, and give canonical arrays back:
logits, every node's value, gradients by parameter name. A framework is imported when its runner is made.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from netspec import Graph, Node
from netspec.errors import ExportError
from netspec.init import Weights
from netspec.layout import from_channels_last, to_channels_last
from netspec.ops import Param
from trainspec.recipes import Optimizer

Feeds = Mapping[str, np.ndarray]  # by input name, `image` first
KERAS_BATCH = 2  # images of a forward pass: Keras keeps every value until its end, of large networks gigabytes


STEP = Optimizer(momentum=0.9, nesterov=True, weight_decay=5e-4)
RATE = 0.1


@dataclass(frozen=True)
class TrainingStep:
    """What a step in training mode gives: gradients of trainables, batch-norm statistics, and all tensors behind it."""

    gradients: Weights
    statistics: Weights
    step: Weights


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

    def train_once(self, feeds: Feeds, targets: np.ndarray) -> TrainingStep:
        """One step of `STEP` on soft targets `(N, classes)`; auxiliary heads by the weights of their losses."""

    def native_onnx(self) -> Any:
        """The `ModelProto` that the framework's own exporter makes."""


Sides = Mapping[str, Runner]  # by framework


class TorchRunner:
    name = "torch"

    def __init__(self, graph: Graph, weights: Weights, dtype: str) -> None:
        import torch

        import torch_impl

        # float64 has no kernel for grouped convolutions: they run group by group, and would wake all threads for each
        torch.set_num_threads(1 if dtype == "float64" else len(os.sched_getaffinity(0)))
        self.torch = torch
        self.dtype = getattr(torch, dtype)
        self.graph = graph
        self.model = torch_impl.build(graph, weights=weights).to(self.dtype)

    def _tensors(self, feeds: Feeds) -> list[Any]:
        return [self.torch.from_numpy(feeds[name]).to(self.dtype) for name in self.graph.inputs]

    @staticmethod
    def count(network: Graph, node: Node) -> tuple[int, int]:
        """Trainable and total of one layer."""
        import torch

        from torch_impl.ops import HANDLERS

        with torch.device("meta"):
            layer = HANDLERS[node.op.kind](node.op, *network.input_shapes(node))
        groups = layer.parameters(), layer.state_dict().values()
        return _sizes(*([tensor.shape for tensor in group] for group in groups))

    def num_params(self) -> tuple[int, int]:
        groups = self.model.parameters(), self.model.state_dict().values()
        return _sizes(*([tensor.shape for tensor in group] for group in groups))

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

    def train_once(self, feeds: Feeds, targets: np.ndarray) -> TrainingStep:
        from torch_impl.optim import set_rate, sgd

        optimizer = sgd(self.model, STEP)
        set_rate(optimizer, RATE)
        expected = self.torch.from_numpy(targets).to(self.dtype)
        heads = _heads(self.model.train()(*self._tensors(feeds)))
        weights = self.graph.loss_weights or (1.0,)
        cross_entropy = self.torch.nn.functional.cross_entropy
        loss: Any = sum(w * cross_entropy(y, expected) for w, y in zip(weights, heads, strict=True))
        loss.backward()
        parameters: dict[str, Any] = dict(self.model.named_parameters())
        gradients = {name: parameter.grad.numpy().copy() for name, parameter in parameters.items()}
        optimizer.step()
        after = self.weights()
        return TrainingStep(gradients, {name: after[name] for name in after if name not in parameters}, after)

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
        return _sizes(*([variable.shape for variable in group] for group in (layer.trainable_weights, layer.weights)))

    def num_params(self) -> tuple[int, int]:
        groups = self.model.trainable_weights, self.weights().values()
        return _sizes(*([variable.shape for variable in group] for group in groups))

    def weights(self) -> Weights:
        import keras_impl

        return keras_impl.get_weights(self.model)

    def forward(self, feeds: Feeds) -> np.ndarray:
        parts = [slice(i, i + KERAS_BATCH) for i in range(0, len(feeds["image"]), KERAS_BATCH)]
        logits = [self.model(self._tensors({k: v[part] for k, v in feeds.items()}), training=False) for part in parts]
        return np.concatenate(logits)

    def values(self, feeds: Feeds, training: bool = False) -> Weights:
        from keras_impl.model import deep_recursion

        outputs = {node.name: self.model.get_layer(node.name).output for node in self.graph}
        with deep_recursion(len(outputs)):
            every = self.keras.Model(self.model.input, outputs)
        return {
            name: _channels_first(np.asarray(v)) for name, v in every(self._tensors(feeds), training=training).items()
        }

    def train_once(self, feeds: Feeds, targets: np.ndarray) -> TrainingStep:
        import tensorflow as tf

        from keras_impl.optim import set_rate, sgd
        from keras_impl.weights import LAYOUTS, variables

        optimizer = sgd(self.model, STEP)
        set_rate(optimizer, RATE)
        loss = self.keras.losses.CategoricalCrossentropy(from_logits=True, dtype=self.dtype)
        trained = self.model.trainable_variables
        with tf.GradientTape() as tape:
            heads = _heads(self.model(self._tensors(feeds), training=True))
            weights = self.graph.loss_weights or (1.0,)
            total = sum(w * loss(targets.astype(self.dtype), y) for w, y in zip(weights, heads, strict=True))
        gradients = tape.gradient(total, [variable.value for variable in trained])
        names = {id(variable): (name, LAYOUTS[len(param.shape)]) for name, param, variable in variables(self.model)}
        by_name = {}
        for variable, gradient in zip(trained, gradients, strict=True):
            name, layout = names[id(variable)]
            by_name[name] = from_channels_last(np.asarray(gradient), layout)
        optimizer.apply(gradients, trained)
        after = self.weights()
        return TrainingStep(by_name, {name: after[name] for name in after if name not in by_name}, after)

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

    @staticmethod
    def count(network: Graph, node: Node) -> tuple[int, int]:
        """Trainable and total of the initializers that one layer's nodes read."""
        from onnx_impl.emit import Emit
        from onnx_impl.ops import HANDLERS

        emit = Emit(network, node, np.dtype(np.float32))
        HANDLERS[node.op.kind](node.op, emit)
        read = {name for part in emit.nodes for name in part.input if name in network.params}
        return _of_params([network.params[name] for name in read])

    def num_params(self) -> tuple[int, int]:
        import onnx_impl

        held = onnx_impl.get_weights(self.model, self.graph)
        assert all(array.shape == self.graph.params[name].shape for name, array in held.items())
        return _of_params([self.graph.params[name] for name in held])

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


def _sizes(trainable: Iterable[Sequence[int]], every: Iterable[Sequence[int]]) -> tuple[int, int]:
    return sum(math.prod(shape) for shape in trainable), sum(math.prod(shape) for shape in every)


def _of_params(params: Sequence[Param]) -> tuple[int, int]:
    return _sizes([param.shape for param in params if param.trainable], [param.shape for param in params])


def _heads(outputs: Any) -> list[Any]:
    """The logits and what auxiliary heads say, in the graph's order."""
    if isinstance(outputs, Mapping):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def _channels_last(array: np.ndarray) -> np.ndarray:
    return to_channels_last(array, "map") if array.ndim == 4 else array


def _channels_first(array: np.ndarray) -> np.ndarray:
    return from_channels_last(array, "map") if array.ndim == 4 else array
