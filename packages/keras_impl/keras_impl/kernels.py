"""Computations that depend on Keras's backend, on precision or on whether a graph is being exported.

TensorFlow's CPU kernels need three forms of a convolution:

- for training, `SAME` or pad and `VALID`: the gradient of explicit pads is many times slower;
- for groups, a depthwise kernel or a matrix product: other kernels have no gradient;
- for export, explicit pads: they end inside the ONNX node.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
from keras import ops

from keras_impl.quiet import check_backend
from netspec.ops import Padding

check_backend()

Tensor = Any  # a tensor of the running backend

_exporting: ContextVar[bool] = ContextVar("exporting", default=False)


@contextmanager
def exporting() -> Iterator[None]:
    """Graphs that are traced in this context convert to ONNX. They are not for training."""
    token = _exporting.set(True)
    try:
        yield
    finally:
        _exporting.reset(token)


def on_tensorflow() -> bool:
    return keras.backend.backend() == "tensorflow"


def pad(x: Tensor, padding: Padding, value: float | None = None) -> Tensor:
    """Pad `(N, H, W, C)` with `(top, bottom, left, right)` cells of `value`, by default of zero."""
    top, bottom, left, right = padding
    return ops.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value) if any(padding) else x


def conv(
    x: Tensor, kernel: Tensor, stride: Sequence[int], padding: Padding, dilation: Sequence[int], groups: int
) -> Tensor:
    """Cross-correlation of `(N, H, W, C)` with `(kh, kw, C / groups, O)`."""
    if _exporting.get() and on_tensorflow():
        return _explicit_conv(x, kernel, stride, padding, dilation)
    # The depthwise kernel needs equal strides.
    depthwise = groups == x.shape[-1] == kernel.shape[-1] and groups > 1 and stride[0] == stride[1]
    if groups > 1 and not depthwise and on_tensorflow() and not _has_gpu():
        return _grouped_conv(pad(x, padding), kernel, stride, dilation, groups)
    if _is_same(kernel.shape[:2], stride, padding, dilation):
        mode = "same"
    else:
        x, mode = pad(x, padding), "valid"
    if depthwise:
        kernel = ops.transpose(kernel, (0, 1, 3, 2))
        return ops.depthwise_conv(x, kernel, tuple(stride), mode, "channels_last", tuple(dilation))
    return ops.conv(x, kernel, tuple(stride), mode, "channels_last", tuple(dilation))


def add_bias(x: Tensor, bias: Tensor) -> Tensor:
    """Add `bias` along the last axis.

    On a CPU, TensorFlow's gradient of a bias adds up in the dtype of `x`. In bfloat16, 65,000 values of one sign come
    to 4% of their sum, and 128 to 98%. The gradient of a broadcast is exact to one rounding, as PyTorch's.
    """
    low = keras.backend.standardize_dtype(x.dtype) in ("bfloat16", "float16")
    if low and on_tensorflow() and not _exporting.get() and not _has_gpu():
        return ops.add(bias, x)  # Keras makes a bias of the second operand only
    return ops.add(x, bias)


def _explicit_conv(
    x: Tensor, kernel: Tensor, stride: Sequence[int], padding: Padding, dilation: Sequence[int]
) -> Tensor:
    import tensorflow as tf

    top, bottom, left, right = padding
    pads = [[0, 0], [top, bottom], [left, right], [0, 0]]
    return tf.nn.conv2d(x, kernel, list(stride), pads, dilations=list(dilation))


def _grouped_conv(x: Tensor, kernel: Tensor, stride: Sequence[int], dilation: Sequence[int], groups: int) -> Tensor:
    """Multiply each group's windows by its kernels, all groups at once: 6 to 20 times as fast as XLA's loops."""
    (kh, kw, depth, filters), (_, height, width, _) = kernel.shape, x.shape
    (down, right), (below, beside) = stride, dilation
    h, w = (height - below * (kh - 1) - 1) // down + 1, (width - beside * (kw - 1) - 1) // right + 1
    x = ops.transpose(ops.reshape(x, (-1, height, width, groups, depth)), (3, 0, 1, 2, 4))
    corners = [(below * i, beside * j) for i in range(kh) for j in range(kw)]
    cells = [x[:, :, i : i + (h - 1) * down + 1 : down, j : j + (w - 1) * right + 1 : right] for i, j in corners]
    windows = ops.reshape(ops.concatenate(cells, -1), (groups, -1, kh * kw * depth))
    y = ops.matmul(windows, ops.transpose(ops.reshape(kernel, (kh * kw * depth, groups, -1)), (1, 0, 2)))
    y = ops.transpose(ops.reshape(y, (groups, -1, h, w, filters // groups)), (1, 2, 3, 0, 4))
    return ops.reshape(y, (-1, h, w, filters))


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _is_same(kernel: Sequence[int], stride: Sequence[int], padding: Padding, dilation: Sequence[int]) -> bool:
    """Whether TensorFlow's `same`, with the surplus at the end, gives these pads."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    meant = [pad for total in totals for pad in (total // 2, total - total // 2)]
    return tuple(stride) == (1, 1) and tuple(padding) == tuple(meant)


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, epsilon: float) -> Tensor:
    """Normalise the last axis with given statistics.

    TensorFlow's fused kernel is used only for export, where it becomes one node. With AVX-512 its reciprocal square
    root errs to one side, and after a hundred layers that shows in a network's logits. The formula here is also faster.
    """
    if _exporting.get() and _has_fused_norm(x, gamma):
        import tensorflow as tf

        return tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, mean, variance, epsilon, is_training=False)[0]
    scale = gamma / ops.sqrt(variance + epsilon)
    return ops.cast(ops.cast(x, gamma.dtype) * scale + (beta - mean * scale), x.dtype)


def batch_norm_of_batch(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise the last axis with the batch's own statistics. Returns result, mean and *unbiased* variance."""
    if _has_fused_norm(x, gamma):
        import tensorflow as tf

        return tuple(tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon, is_training=True)[:3])
    kept = keras.backend.standardize_dtype(gamma.dtype)
    wide = keras.backend.result_type(kept, "float32")  # a half cannot hold the number of values, nor their sum
    values, gamma, beta = (ops.cast(part, wide) for part in (x, gamma, beta))
    mean, variance, count = moments(values, tuple(range(len(x.shape) - 1)))
    y = (values - mean) * (gamma / ops.sqrt(variance + epsilon)) + beta
    unbiased = variance * (count / ops.maximum(count - 1, 1))
    return ops.cast(y, x.dtype), ops.cast(mean, kept), ops.cast(unbiased, kept)


def _has_fused_norm(x: Tensor, gamma: Tensor) -> bool:
    """Whether TensorFlow's fused kernel applies: it takes only maps, and only float32 parameters."""
    return on_tensorflow() and len(x.shape) == 4 and keras.backend.standardize_dtype(gamma.dtype) == "float32"


def moments(x: Tensor, axes: tuple[int, ...], keepdims: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, biased variance and number of values over `axes`. `ops.mean` would drop to float32 under JAX."""
    shape = ops.shape(x)
    count = ops.cast(ops.prod(ops.stack([ops.cast(shape[axis], "int32") for axis in axes])), x.dtype)
    mean = ops.sum(x, axes, keepdims=True) / count
    variance = ops.sum(ops.square(x - mean), axes, keepdims=True) / count
    if keepdims:
        return mean, variance, count
    return ops.squeeze(mean, axes), ops.squeeze(variance, axes), count
