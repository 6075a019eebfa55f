"""The ops as functions on tensors, for authors of networks.

Padding is resolved here, once for all builders. `None` pads half the (dilated) kernel on each side, a number or a pair
is symmetric, and ceil mode becomes extra cells below and to the right.
"""

from collections.abc import Callable
from functools import cache
from math import inf
from typing import Any

from diptych.errors import GraphError
from netspec import ops
from netspec.ops import Padding
from netspec.tracer import Tensor, block

Pair = int | tuple[int, int]
Function = Callable[[Tensor], Tensor]
Unit = Callable[..., Tensor]  # takes a tensor and a `name`, as every op with weights does


def pair(value: Pair) -> tuple[int, int]:
    """`3` as `(3, 3)`: height, then width."""
    return (value, value) if isinstance(value, int) else value


def half(kernel: Pair, dilation: Pair = 1) -> tuple[int, int]:
    """The symmetric padding that keeps the size of a map at stride 1, for odd kernels."""
    (kh, kw), (dh, dw) = pair(kernel), pair(dilation)
    return dh * (kh - 1) // 2, dw * (kw - 1) // 2


def symmetric(padding: Pair) -> Padding:
    vertical, horizontal = pair(padding)
    return vertical, vertical, horizontal, horizontal


def ceil_overhang(x: Tensor, kernel: Pair, stride: Pair, padding: Pair) -> Padding:
    """Extra cells below and to the right that PyTorch's ceil mode adds for the last window."""
    extra = []
    for size, k, s, p in zip(x.shape[1:], pair(kernel), pair(stride), pair(padding), strict=True):
        steps = -(-(size + 2 * p - k) // s)
        if steps * s >= size + p:  # a window must begin in the map or its left padding
            steps -= 1
        extra.append(max(0, steps * s + k - size - 2 * p))
    return 0, extra[0], 0, extra[1]


def conv(
    x: Tensor,
    out_channels: int,
    kernel: Pair,
    stride: Pair = 1,
    *,
    padding: Pair | None = None,
    dilation: Pair = 1,
    groups: int = 1,
    bias: bool = True,
    name: str,
) -> Tensor:
    """Convolution of `(C, H, W)`."""
    pads = symmetric(half(kernel, dilation) if padding is None else padding)
    op = ops.Conv(out_channels, pair(kernel), pair(stride), pads, pair(dilation), groups, bias)
    return x.tracer.emit(op, x, name=name)


def linear(x: Tensor, out_features: int, *, bias: bool = True, name: str) -> Tensor:
    """Dense layer on `(C,)`."""
    return x.tracer.emit(ops.Linear(out_features, bias), x, name=name)


def batch_norm(x: Tensor, *, epsilon: float = 1e-5, fraction: float = 0.1, name: str) -> Tensor:
    return x.tracer.emit(ops.BatchNorm(epsilon, fraction), x, name=name)


def instance_norm(x: Tensor, *, epsilon: float = 1e-5, name: str) -> Tensor:
    return x.tracer.emit(ops.InstanceNorm(epsilon), x, name=name)


def local_response_norm(
    x: Tensor, size: int = 5, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, name: str | None = None
) -> Tensor:
    return x.tracer.emit(ops.LocalResponseNorm(size, alpha, beta, k), x, name=name)


def max_pool(
    x: Tensor,
    kernel: Pair,
    stride: Pair | None = None,
    *,
    padding: Pair = 0,
    ceil: bool = False,
    name: str | None = None,
) -> Tensor:
    """Largest value of each window; `stride` defaults to `kernel`."""
    stride = kernel if stride is None else stride
    overhang = ceil_overhang(x, kernel, stride, padding) if ceil else (0, 0, 0, 0)
    top, bottom, left, right = (a + b for a, b in zip(symmetric(padding), overhang, strict=True))
    return x.tracer.emit(ops.MaxPool(pair(kernel), pair(stride), (top, bottom, left, right)), x, name=name)


def avg_pool(
    x: Tensor,
    kernel: Pair,
    stride: Pair | None = None,
    *,
    padding: Pair = 0,
    ceil: bool = False,
    count_include_pad: bool = True,
    name: str | None = None,
) -> Tensor:
    """Mean of each window; `stride` defaults to `kernel`."""
    stride = kernel if stride is None else stride
    overhang = ceil_overhang(x, kernel, stride, padding) if ceil else (0, 0, 0, 0)
    op = ops.AvgPool(pair(kernel), pair(stride), symmetric(padding), overhang, count_include_pad)
    return x.tracer.emit(op, x, name=name)


def global_avg_pool(x: Tensor, *, keepdims: bool = False, name: str | None = None) -> Tensor:
    """Mean over the map: `(C, H, W)` to `(C,)` or `(C, 1, 1)`."""
    return x.tracer.emit(ops.GlobalAvgPool(keepdims), x, name=name)


def blur_pool(x: Tensor, stride: Pair = 2, *, name: str | None = None) -> Tensor:
    return x.tracer.emit(ops.BlurPool(pair(stride)), x, name=name)


def activation(x: Tensor, fn: str, *, slope: float = 0.0, name: str | None = None) -> Tensor:
    """One of `ops.ACTIVATIONS`."""
    return x.tracer.emit(ops.Activation(fn, slope), x, name=name)


def relu(x: Tensor) -> Tensor:
    return activation(x, "relu")


def sigmoid(x: Tensor) -> Tensor:
    return activation(x, "sigmoid")


def identity(x: Tensor) -> Tensor:
    return x


@cache
def activation_of(name: str) -> Function:
    """One of `ops.ACTIVATIONS` as a function; a leaky ReLU has the slope 0.01."""

    def apply(x: Tensor) -> Tensor:
        return activation(x, name, slope=0.01 if name == "leaky_relu" else 0.0)

    apply.__name__ = apply.__qualname__ = name
    return apply


MIXED = "mixed"
"""The `activation` of networks that mix several: each layer has its own. Any other name replaces them all."""


def activation_or(name: str, own: Function) -> Function:
    """The activation `name`, or the layer's `own` if `name` is `MIXED`."""
    return own if name == MIXED else activation_of(name)


def scale(x: Tensor, factor: float, *, name: str | None = None) -> Tensor:
    return x.tracer.emit(ops.Scale(factor), x, name=name)


def dropout(x: Tensor, rate: float, *, name: str | None = None) -> Tensor:
    """A rate of 0 adds no node."""
    return x.tracer.emit(ops.Dropout(rate), x, name=name) if rate else x


def stochastic_depth(x: Tensor, survival: float, *, name: str | None = None) -> Tensor:
    """A survival probability of 1 adds no node."""
    return x if survival == 1 else x.tracer.emit(ops.StochasticDepth(survival), x, name=name)


def shake_drop(x: Tensor, survival: float, *, name: str | None = None) -> Tensor:
    """A survival probability of 1 adds no node."""
    return x if survival == 1 else x.tracer.emit(ops.ShakeDrop(survival), x, name=name)


def patch_up(x: Tensor, *, name: str | None = None) -> Tensor:
    return x.tracer.emit(ops.PatchUp(), x, name=name)


def add(*inputs: Tensor, name: str | None = None) -> Tensor:
    return inputs[0].tracer.emit(ops.Add(), *inputs, name=name)


def mul(x: Tensor, y: Tensor, *, name: str | None = None) -> Tensor:
    return x.tracer.emit(ops.Mul(), x, y, name=name)


def concat(*inputs: Tensor, name: str | None = None) -> Tensor:
    return inputs[0].tracer.emit(ops.Concat(), *inputs, name=name)


def radix_softmax(x: Tensor, radix: int, groups: int = 1, *, name: str | None = None) -> Tensor:
    return x.tracer.emit(ops.RadixSoftmax(radix, groups), x, name=name)


def slice_channels(x: Tensor, start: int, stop: int, *, name: str | None = None) -> Tensor:
    return x.tracer.emit(ops.SliceChannels(start, stop), x, name=name)


def pad_channels(x: Tensor, channels: int, *, name: str | None = None) -> Tensor:
    """Append channels of zeros up to `channels` in all; adds no node if there are that many already."""
    return x if channels == x.channels else x.tracer.emit(ops.PadChannels(channels - x.channels), x, name=name)


def space_to_depth(x: Tensor, block: int, *, name: str | None = None) -> Tensor:
    return x.tracer.emit(ops.SpaceToDepth(block), x, name=name)


def flatten(x: Tensor, *, name: str | None = None) -> Tensor:
    return x.tracer.emit(ops.Flatten(), x, name=name)


def conv_bn(
    x: Tensor,
    out_channels: int,
    kernel: Pair,
    stride: Pair = 1,
    *,
    norm: Unit = batch_norm,
    activation: Function | None = relu,
    bias: bool = False,
    name: str,
    **geometry: Any,
) -> Tensor:
    """Convolution `name`, batch norm `name.bn` and an activation. `geometry`: padding, dilation, groups of `conv`."""
    x = norm(conv(x, out_channels, kernel, stride, bias=bias, name=name, **geometry), name=f"{name}.bn")
    return activation(x) if activation else x


def norm_act(x: Tensor, activation: Function = relu, *, norm: Unit = batch_norm, name: str) -> Tensor:
    """Batch norm `name` and an activation, as pre-activated networks have them before a convolution."""
    return activation(norm(x, name=name))


@block
def squeeze_excite(x: Tensor, hidden: int, activation: Function = relu, gate: Function = sigmoid) -> Tensor:
    """Multiply each channel by a weight computed from the means of all channels (Hu et al. 2018, 1709.01507)."""
    y = activation(conv(global_avg_pool(x, keepdims=True), hidden, 1, name="reduce"))
    return mul(x, gate(conv(y, x.channels, 1, name="expand")))


def average_and_pad(x: Tensor, channels: int, stride: int) -> Tensor:
    """A shortcut without weights: averages where the map shrinks, and appends channels of zeros."""
    return pad_channels(avg_pool(x, stride, ceil=True) if stride > 1 else x, channels)


def classify(x: Tensor, classes: int, dropout_rate: float = 0.0) -> Tensor:
    """Logits of a map: global mean, dropout, dense layer."""
    return linear(dropout(global_avg_pool(x), dropout_rate), classes, name="classifier")


def make_divisible(channels: float, divisor: int = 8, least: int | None = None) -> int:
    """The nearest multiple of `divisor`, at least `least` and nine tenths of `channels` (MobileNet)."""
    if channels <= 0:
        raise GraphError(f"{channels:g} channels are too few; choose a width above 0")
    if channels == inf:
        raise GraphError("infinitely many channels; choose a smaller width")
    rounded = max(least or divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def linear_survival(last: float, blocks: int, first: int = 1) -> list[float]:
    """Stochastic depth's survival probabilities `p_l = 1 - l / L * (1 - p_L)` of L blocks, for l from `first`."""
    ops.StochasticDepth(last)  # checks that it is a probability, even if no block uses it unchanged
    return [1 - (1 - last) * place / blocks for place in range(first, first + blocks)]
