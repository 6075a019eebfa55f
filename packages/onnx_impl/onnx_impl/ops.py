"""One handler per op: from the spec to ONNX nodes on `(N, C, H, W)` or `(N, C)` tensors.

A handler is called as `handler(op, emit)`: `emit` knows the node's inputs, weights and shapes, and adds ONNX nodes.
`HANDLERS` maps each op's kind to its handler, in the order of the vocabulary, as in all three builders.
"""

from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from netspec import ops
from onnx_impl.emit import Emit

HANDLERS: dict[str, Callable[..., None]] = {}


def builds(op: type[ops.Op]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def register(handler: Callable[..., None]) -> Callable[..., None]:
        HANDLERS[ops.snake_case(op.__name__)] = handler
        return handler

    return register


def onnx_pads(padding: ops.Padding) -> tuple[int, int, int, int]:
    """`(top, bottom, left, right)` in ONNX's order: all beginnings, then all ends."""
    top, bottom, left, right = padding
    return top, left, bottom, right


@builds(ops.Conv)
def conv(op: ops.Conv, emit: Emit) -> None:
    emit(
        "Conv", *emit.inputs, *emit.weights,
        kernel_shape=op.kernel, strides=op.stride, pads=onnx_pads(op.padding), dilations=op.dilation, group=op.groups,
    )  # fmt: skip


@builds(ops.Linear)
def linear(op: ops.Linear, emit: Emit) -> None:
    emit("Gemm", *emit.inputs, *emit.weights, transB=1)


@builds(ops.BatchNorm)
def batch_norm(op: ops.BatchNorm, emit: Emit) -> None:
    emit("BatchNormalization", *emit.inputs, *emit.weights, epsilon=op.epsilon)


@builds(ops.FrozenBatchNorm)
def frozen_batch_norm(op: ops.FrozenBatchNorm, emit: Emit) -> None:
    emit("BatchNormalization", *emit.inputs, *emit.weights, epsilon=op.epsilon)


@builds(ops.InstanceNorm)
def instance_norm(op: ops.InstanceNorm, emit: Emit) -> None:
    emit("InstanceNormalization", *emit.inputs, *emit.weights, epsilon=op.epsilon)


@builds(ops.LocalResponseNorm)
def local_response_norm(op: ops.LocalResponseNorm, emit: Emit) -> None:
    emit("LRN", *emit.inputs, size=op.size, alpha=op.alpha, beta=op.beta, bias=op.k)


@builds(ops.MaxPool)
def max_pool(op: ops.MaxPool, emit: Emit) -> None:
    emit("MaxPool", *emit.inputs, kernel_shape=op.kernel, strides=op.stride, pads=onnx_pads(op.padding))


@builds(ops.AvgPool)
def avg_pool(op: ops.AvgPool, emit: Emit) -> None:
    (x,), pads, counted = emit.inputs, op.total_padding, op.count_include_pad
    if counted and any(op.overhang):  # ONNX counts all pads or none: pads that count are added to the map first
        top, bottom, left, right = op.padding
        x = emit("Pad", x, emit.constant("pads", [0, 0, top, left, 0, 0, bottom, right]))
        pads, counted = op.overhang, False
    emit(
        "AveragePool",
        x,
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=onnx_pads(pads),
        count_include_pad=int(counted),
    )


@builds(ops.GlobalAvgPool)
def global_avg_pool(op: ops.GlobalAvgPool, emit: Emit) -> None:
    # row by row: onnxruntime's GlobalAveragePool adds pixel by pixel, ten times slower and eight times less exact
    rows = emit.mean(emit.inputs[0], 3, keepdims=True)
    emit.mean(rows, *((2,) if op.keepdims else (2, 3)), keepdims=op.keepdims)


@builds(ops.BlurPool)
def blur_pool(op: ops.BlurPool, emit: Emit) -> None:
    channels = emit.shapes[0][0]
    line = np.array([1, 2, 1]) / 4
    kernel = np.tile(np.outer(line, line), (channels, 1, 1, 1))
    y = emit("Pad", *emit.inputs, emit.constant("pads", [0, 0, 1, 1, 0, 0, 1, 1]), mode="reflect")
    emit("Conv", y, emit.constant("filter", kernel), kernel_shape=(3, 3), strides=op.stride, group=channels)


@builds(ops.Activation)
def activation(op: ops.Activation, emit: Emit) -> None:
    (x,) = emit.inputs
    match op.fn:
        case "relu":
            emit("Relu", x)
        case "relu6":
            emit("Clip", x, emit.constant("low", 0.0), emit.constant("high", 6.0))
        case "leaky_relu":
            emit("LeakyRelu", x, alpha=op.slope)
        case "sigmoid":
            emit("Sigmoid", x)
        case "hard_sigmoid":
            emit("HardSigmoid", x, alpha=1 / 6, beta=0.5)
        case "silu":
            emit("Mul", x, emit("Sigmoid", x))
        case "hard_swish":
            emit("Mul", x, emit("HardSigmoid", x, alpha=1 / 6, beta=0.5))
        case "mish":
            emit("Mul", x, emit("Tanh", emit("Softplus", x)))
        case "gelu":
            erf = emit("Erf", emit("Mul", x, emit.constant("scale", 0.5**0.5)))
            emit("Mul", emit("Mul", x, emit.constant("half", 0.5)), emit("Add", erf, emit.constant("one", 1.0)))
        case "tanh":
            emit("Tanh", x)


@builds(ops.Scale)
def scale(op: ops.Scale, emit: Emit) -> None:
    emit("Mul", *emit.inputs, emit.constant("factor", op.factor))


@builds(ops.Dropout)
def dropout(op: ops.Dropout, emit: Emit) -> None:
    x, draw = emit.inputs
    emit("Mul", x, emit("Mul", draw, emit.constant("scale", 1 / (1 - op.rate))))


@builds(ops.StochasticDepth)
def stochastic_depth(op: ops.StochasticDepth, emit: Emit) -> None:
    x, draw = emit.inputs
    emit("Mul", x, emit("Mul", draw, emit.constant("scale", 1 / op.survival)))


@builds(ops.ShakeDrop)
def shake_drop(op: ops.ShakeDrop, emit: Emit) -> None:
    x, gate, alpha, _ = emit.inputs
    emit("Mul", x, emit("Sub", emit("Add", gate, alpha), emit("Mul", gate, alpha)))


@builds(ops.PatchUp)
def patch_up(op: ops.PatchUp, emit: Emit) -> None:
    x, mask, partner, weight = emit.inputs
    one = emit.constant("one", 1.0)
    share = emit("Mul", emit("Sub", one, mask), emit("Sub", one, weight))
    positions = emit("Reshape", emit("Cast", partner, to=TensorProto.INT64), emit.constant("flat", [-1]))
    other = emit("Gather", x, positions, axis=0)
    emit("Add", emit("Mul", emit("Sub", one, share), x), emit("Mul", share, other))


@builds(ops.Add)
def add(op: ops.Add, emit: Emit) -> None:
    emit("Sum", *emit.inputs) if len(emit.inputs) > 2 else emit("Add", *emit.inputs)


@builds(ops.Mul)
def mul(op: ops.Mul, emit: Emit) -> None:
    emit("Mul", *emit.inputs)


@builds(ops.Concat)
def concat(op: ops.Concat, emit: Emit) -> None:
    emit("Concat", *emit.inputs, axis=1)


@builds(ops.RadixSoftmax)
def radix_softmax(op: ops.RadixSoftmax, emit: Emit) -> None:
    (x,), channels = emit.inputs, emit.shapes[0][0]
    if op.radix == 1:
        emit("Sigmoid", x)
        return
    if op.groups > 1:  # reorder from group by group to radix by radix
        order = np.arange(channels).reshape(op.groups, op.radix, -1).swapaxes(0, 1).ravel()
        x = emit("Gather", x, emit.constant("order", order), axis=1)
    x = emit("Reshape", x, emit.constant("splits", [0, op.radix, channels // op.radix]))
    emit("Reshape", emit("Softmax", x, axis=1), emit.constant("flat", [0, channels, 1, 1]))


@builds(ops.SliceChannels)
def slice_channels(op: ops.SliceChannels, emit: Emit) -> None:
    bounds = (emit.constant(key, [value]) for key, value in (("start", op.start), ("stop", op.stop), ("axis", 1)))
    emit("Slice", *emit.inputs, *bounds)


@builds(ops.PadChannels)
def pad_channels(op: ops.PadChannels, emit: Emit) -> None:
    emit("Pad", *emit.inputs, emit.constant("pads", [0, 0, 0, 0, 0, op.channels, 0, 0]))


@builds(ops.SpaceToDepth)
def space_to_depth(op: ops.SpaceToDepth, emit: Emit) -> None:
    emit("SpaceToDepth", *emit.inputs, blocksize=op.block)


@builds(ops.Flatten)
def flatten(op: ops.Flatten, emit: Emit) -> None:
    emit("Flatten", *emit.inputs)
