"""Layers that Keras does not have in the spec's exact form. All are channels-last."""

import json
from collections.abc import Callable
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from keras_impl import kernels
from keras_impl.kernels import Tensor
from netspec import Graph
from netspec.graph import attributes_of
from netspec.ops import Op, Padding, Shape
from netspec.serialize import from_json, read_op

registered = keras.saving.register_keras_serializable("keras_impl")  # Keras finds them once keras_impl is imported


class Layer(keras.layers.Layer):
    """A layer that takes its output shape from the spec: `shape` is logical, `(C, H, W)` or `(C,)`.

    Keras saves, loads and clones a model layer by layer and keeps nothing else. So each layer remembers its op and
    input shapes, and one layer of each network remembers the whole graph, `network`.
    """

    op: Op
    op_inputs: tuple[Shape, ...]
    network: Graph | None = None

    def __init__(self, shape: Shape, **layer: Any) -> None:
        super().__init__(**layer)
        self.shape = shape

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs, in JSON types: the op as in a graph's JSON, and its logical input shapes."""
        made_of = {"op": self.op.kind, "attributes": attributes_of(self.op), "inputs": self.op_inputs}
        network = {"network": self.network.to_json()} if self.network else {}
        return super().get_config() | json.loads(json.dumps(made_of)) | network

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the layer of a config with the op's handler. Raises `GraphError` for an unknown op."""
        from keras_impl.ops import HANDLERS  # here, since it imports this module

        options = {key: config[key] for key in ("name", "trainable")}
        options["dtype"] = keras.dtype_policies.get(config["dtype"])
        op, inputs = read_op(config), (tuple(shape) for shape in config["inputs"])
        layer = HANDLERS[op.kind](op, *inputs, **options)
        if "network" in config:
            layer.network = from_json(config["network"], f"the graph in the layer '{layer.name}'")
        return layer

    def compute_output_shape(self, *inputs: Any) -> tuple[int | None, ...]:
        return (None, *self.shape[1:], self.shape[0])


@registered
class FunctionLayer(Layer):
    """A function of tensors as a layer, so that every node has one."""

    def __init__(self, shape: Shape, function: Callable[..., Tensor], **layer: Any) -> None:
        super().__init__(shape, **layer)
        self.function = function

    def call(self, inputs: Any) -> Tensor:
        return self.function(*inputs) if isinstance(inputs, list | tuple) else self.function(inputs)


@registered
class Conv2D(Layer):
    """Convolution with the padding `(top, bottom, left, right)`."""

    def __init__(
        self,
        shape: Shape,
        kernel: Shape,
        stride: Shape,
        padding: Padding,
        dilation: Shape,
        *,
        groups: int,
        use_bias: bool,
        **layer: Any,
    ) -> None:
        super().__init__(shape, **layer)
        self.window, self.stride, self.padding, self.dilation = kernel, stride, padding, dilation
        self.groups, self.use_bias = groups, use_bias

    def build(self, input_shape: Shape) -> None:
        filters = self.shape[0]
        kernel = (*self.window, input_shape[-1] // self.groups, filters)
        self.kernel = self.add_weight(shape=kernel, initializer="zeros", name="kernel")  # values come from the spec
        self.bias = self.add_weight(shape=(filters,), initializer="zeros", name="bias") if self.use_bias else None

    def call(self, x: Tensor) -> Tensor:
        y = kernels.conv(x, self.kernel, self.stride, self.padding, self.dilation, self.groups)
        return y if self.bias is None else kernels.add_bias(y, self.bias)


@registered
class Dense(keras.layers.Dense):
    """Keras's own dense layer, with an exact gradient of the bias in every precision."""

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        y = ops.matmul(inputs, self.kernel)
        return y if self.bias is None else kernels.add_bias(y, self.bias)

    def quantize(self, mode: str | None = None, type_check: bool = True, config: Any = None) -> None:
        """As Keras's own, which refuses every subclass."""
        super().quantize(mode, type_check=False, config=config)


@registered
class BatchNormalization(Layer):
    """Batch norm over the last axis. It stores the unbiased variance; `fraction` is the share of the *new* batch."""

    def __init__(self, shape: Shape, epsilon: float, fraction: float, **layer: Any) -> None:
        super().__init__(shape, **layer)
        self.epsilon, self.fraction = epsilon, fraction

    def build(self, input_shape: Shape) -> None:
        def vector(name: str, initializer: str, trainable: bool) -> Any:
            # kept in float32 (or float64) under a mixed precision
            return self.add_weight(
                shape=input_shape[-1:], initializer=initializer, name=name, trainable=trainable, autocast=False
            )

        self.gamma, self.beta = vector("gamma", "ones", True), vector("beta", "zeros", True)
        self.moving_mean = vector("moving_mean", "zeros", False)
        self.moving_variance = vector("moving_variance", "ones", False)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        if not (training and self.trainable):  # as in Keras's own, the statistics are then kept
            return kernels.batch_norm(x, self.gamma, self.beta, self.moving_mean, self.moving_variance, self.epsilon)
        y, mean, variance = kernels.batch_norm_of_batch(x, self.gamma, self.beta, self.epsilon)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving + self.fraction * (ops.stop_gradient(batch) - moving))
        return y


@registered
class FrozenBatchNormalization(BatchNormalization):
    """A batch norm that stays in evaluation mode: it uses and keeps its statistics."""

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        return super().call(x, training=False)


@registered
class InstanceNormalization(Layer):
    """Normalises by each image's own mean and biased variance over its map, in training and inference."""

    def __init__(self, shape: Shape, epsilon: float, **layer: Any) -> None:
        super().__init__(shape, **layer)
        self.epsilon = epsilon

    def build(self, input_shape: Shape) -> None:
        self.gamma = self.add_weight(shape=input_shape[-1:], initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(shape=input_shape[-1:], initializer="zeros", name="beta", autocast=False)

    def call(self, x: Tensor) -> Tensor:
        # A half cannot hold the number of values, nor their sum.
        wide = ops.cast(x, keras.backend.result_type(self.gamma.dtype, "float32"))
        mean, variance, _ = kernels.moments(wide, (1, 2), keepdims=True)
        gamma, beta = (ops.cast(each, wide.dtype) for each in (self.gamma, self.beta))
        y = (wide - mean) / ops.sqrt(variance + self.epsilon) * gamma + beta
        return ops.cast(y, x.dtype)


@registered
class MaxPooling2D(Layer):
    """Max-pooling with the padding `(top, bottom, left, right)`, filled with minus infinity."""

    def __init__(self, shape: Shape, kernel: Shape, stride: Shape, padding: Padding, **layer: Any) -> None:
        super().__init__(shape, **layer)
        self.window, self.stride, self.padding = kernel, stride, padding

    def call(self, x: Tensor) -> Tensor:
        x = kernels.pad(x, self.padding, float("-inf"))
        return ops.max_pool(x, self.window, self.stride, "valid", "channels_last")


@registered
class AveragePooling2D(Layer):
    """Average pooling. `divisors` `(H', W')` is the number of cells that count in each window."""

    def __init__(
        self, shape: Shape, kernel: Shape, stride: Shape, padding: Padding, divisors: np.ndarray, **layer: Any
    ) -> None:
        super().__init__(shape, **layer)
        self.window, self.stride, self.padding = kernel, stride, padding
        self.share = (kernel[0] * kernel[1] / divisors)[None, :, :, None]
        self.even = bool((self.share == 1).all())

    def call(self, x: Tensor) -> Tensor:
        y = ops.average_pool(kernels.pad(x, self.padding), self.window, self.stride, "valid", "channels_last")
        return y if self.even else y * ops.cast(self.share, y.dtype)


@registered
class GlobalAveragePooling2D(Layer):
    """Mean over the map, row by row. TensorFlow's own adds pixel by pixel: slower and seven times less exact.

    The sums of halves are kept in float32, so that a mean is rounded once, as in PyTorch.
    """

    def __init__(self, shape: Shape, keepdims: bool, **layer: Any) -> None:
        super().__init__(shape, **layer)
        self.keepdims = keepdims

    def call(self, x: Tensor) -> Tensor:
        wide = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
        rows = ops.sum(wide, 2, keepdims=self.keepdims) / x.shape[2]
        return ops.cast(ops.sum(rows, 1, keepdims=self.keepdims) / x.shape[1], x.dtype)


@registered
class BlurPooling2D(Layer):
    """Fixed [1, 2, 1] x [1, 2, 1] / 16 filter on each channel. The map is padded by reflection, one cell wide."""

    def __init__(self, shape: Shape, stride: Shape, **layer: Any) -> None:
        super().__init__(shape, **layer)
        self.stride = stride
        line = np.array([1, 2, 1]) / 4
        self.filter = np.tile(np.outer(line, line)[:, :, None, None], (1, 1, 1, shape[0]))

    def call(self, x: Tensor) -> Tensor:
        x = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        return kernels.conv(x, ops.cast(self.filter, x.dtype), self.stride, (0, 0, 0, 0), (1, 1), self.shape[0])


def local_response_norm(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """Made of basic ops, since TensorFlow's own kernel supports neither float64 nor an even size."""
    channels = x.shape[-1]
    squares = ops.pad(ops.square(x), ((0, 0), (0, 0), (0, 0), (size // 2, (size - 1) // 2)))
    total = squares[..., :channels]
    for offset in range(1, size):
        total = total + squares[..., offset : offset + channels]
    return x / ops.power(k + alpha / size * total, beta)


def radix_softmax(x: Tensor, radix: int, groups: int) -> Tensor:
    """Softmax over the radixes of `(N, 1, 1, groups * radix * c)`, ordered by group; the result is ordered by radix."""
    if radix == 1:
        return ops.sigmoid(x)
    channels = x.shape[-1]
    x = ops.transpose(ops.reshape(x, (-1, groups, radix, channels // (groups * radix))), (0, 2, 1, 3))
    return ops.reshape(ops.softmax(x, 1), (-1, 1, 1, channels))


def space_to_depth(x: Tensor, block: int) -> Tensor:
    _, h, w, c = x.shape
    x = ops.reshape(x, (-1, h // block, block, w // block, block, c))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, h // block, w // block, c * block**2))


def flatten(x: Tensor) -> Tensor:
    """`(N, H, W, C)` to `(N, C*H*W)`, channel by channel, as in the spec and its dense kernels."""
    _, h, w, c = x.shape
    return ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, c * h * w))


def leaky_relu(x: Tensor, negative_slope: float) -> Tensor:
    """TensorFlow's own keeps the slope in float32, whatever the precision."""
    return ops.where(x > 0, x, negative_slope * x)


@ops.custom_gradient
def sigmoid(x: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
    """TensorFlow's own is an approximation that errs to one side; a mean over a map does not cancel that."""
    y = 1 / (1 + ops.exp(-x))

    def gradient(*upstreams: Tensor, upstream: Tensor | None = None) -> Tensor:
        return (upstreams[0] if upstream is None else upstream) * y * (1 - y)

    return y, gradient


def silu(x: Tensor) -> Tensor:
    return x * sigmoid(x)


def gelu(x: Tensor) -> Tensor:
    """Keras's own uses erfc, which ONNX does not have."""
    return x * (1 + ops.erf(x * 0.5**0.5)) * 0.5


ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "relu": keras.activations.relu,
    "relu6": keras.activations.relu6,
    "leaky_relu": leaky_relu,
    "sigmoid": sigmoid,
    "hard_sigmoid": keras.activations.hard_sigmoid,
    "silu": silu,
    "hard_swish": keras.activations.hard_silu,
    "mish": keras.activations.mish,
    "gelu": gelu,
    "tanh": ops.tanh,
}
