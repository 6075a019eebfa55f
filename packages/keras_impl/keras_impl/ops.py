"""One handler an op: from the spec to a Keras layer on `(N, H, W, C)` or `(N, C)` tensors.

A handler is called as `handler(op, *input_shapes, **layer)` with logical shapes and Keras's own `name` and
`dtype`. `HANDLERS` holds them by the op's kind, in the order of the vocabulary, as in all three builders.
"""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import keras
from keras import ops as kops

from keras_impl import layers, noise
from netspec import ops
from netspec.ops import Shape

HANDLERS: dict[str, Callable[..., keras.layers.Layer]] = {}


def builds(op: type[ops.Op]) -> Callable[[Callable[..., keras.layers.Layer]], Callable[..., keras.layers.Layer]]:
    def register(handler: Callable[..., keras.layers.Layer]) -> Callable[..., keras.layers.Layer]:
        @wraps(handler)
        def make(op: ops.Op, *inputs: Shape, **layer: Any) -> keras.layers.Layer:
            made = handler(op, *inputs, **layer)
            if isinstance(made, layers.Layer):  # Keras's own layers have configs of their own
                made.op, made.op_inputs = op, inputs
            return made

        HANDLERS[ops.snake_case(op.__name__)] = make
        return make

    return register


@builds(ops.Conv)
def conv(op: ops.Conv, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.Conv2D(
        op.shape(x), op.kernel, op.stride, op.padding, op.dilation, groups=op.groups, use_bias=op.bias, **layer
    )


@builds(ops.Linear)
def linear(op: ops.Linear, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.Dense(op.out_features, use_bias=op.bias, kernel_initializer="zeros", **layer)


@builds(ops.BatchNorm)
def batch_norm(op: ops.BatchNorm, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.BatchNormalization(x, op.epsilon, op.fraction, **layer)


@builds(ops.FrozenBatchNorm)
def frozen_batch_norm(op: ops.FrozenBatchNorm, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.FrozenBatchNormalization(x, op.epsilon, op.fraction, **layer)


@builds(ops.InstanceNorm)
def instance_norm(op: ops.InstanceNorm, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.InstanceNormalization(x, op.epsilon, **layer)


@builds(ops.LocalResponseNorm)
def local_response_norm(op: ops.LocalResponseNorm, x: Shape, **layer: Any) -> keras.layers.Layer:
    function = partial(layers.local_response_norm, size=op.size, alpha=op.alpha, beta=op.beta, k=op.k)
    return layers.FunctionLayer(x, function, **layer)


@builds(ops.MaxPool)
def max_pool(op: ops.MaxPool, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.MaxPooling2D(op.shape(x), op.kernel, op.stride, op.padding, **layer)


@builds(ops.AvgPool)
def avg_pool(op: ops.AvgPool, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.AveragePooling2D(op.shape(x), op.kernel, op.stride, op.total_padding, op.divisors(x), **layer)


@builds(ops.GlobalAvgPool)
def global_avg_pool(op: ops.GlobalAvgPool, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.GlobalAveragePooling2D(op.shape(x), op.keepdims, **layer)


@builds(ops.BlurPool)
def blur_pool(op: ops.BlurPool, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.BlurPooling2D(op.shape(x), op.stride, **layer)


@builds(ops.Activation)
def activation(op: ops.Activation, x: Shape, **layer: Any) -> keras.layers.Layer:
    function = layers.ACTIVATIONS[op.fn]
    if op.fn == "leaky_relu":
        function = partial(function, negative_slope=op.slope)
    return layers.FunctionLayer(x, function, **layer)


@builds(ops.Scale)
def scale(op: ops.Scale, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.FunctionLayer(x, lambda value: value * op.factor, **layer)


@builds(ops.Dropout)
def dropout(op: ops.Dropout, x: Shape, draw: Shape | None = None, **layer: Any) -> keras.layers.Layer:
    return noise.Noise(x, 1 - op.rate, x, **layer)


@builds(ops.StochasticDepth)
def stochastic_depth(op: ops.StochasticDepth, x: Shape, draw: Shape | None = None, **layer: Any) -> keras.layers.Layer:
    return noise.Noise(x, op.survival, op.draws(x)[0].shape, **layer)


@builds(ops.ShakeDrop)
def shake_drop(op: ops.ShakeDrop, x: Shape, *draws: Shape, **layer: Any) -> keras.layers.Layer:
    return noise.ShakeDrop(x, op.survival, **layer)


@builds(ops.PatchUp)
def patch_up(op: ops.PatchUp, x: Shape, *draws: Shape, **layer: Any) -> keras.layers.Layer:
    return noise.PatchUp(x, **layer)


@builds(ops.Add)
def add(op: ops.Add, *inputs: Shape, **layer: Any) -> keras.layers.Layer:
    return keras.layers.Add(**layer)


@builds(ops.Mul)
def mul(op: ops.Mul, x: Shape, y: Shape, **layer: Any) -> keras.layers.Layer:
    return keras.layers.Multiply(**layer)


@builds(ops.Concat)
def concat(op: ops.Concat, *inputs: Shape, **layer: Any) -> keras.layers.Layer:
    return keras.layers.Concatenate(axis=-1, **layer)


@builds(ops.RadixSoftmax)
def radix_softmax(op: ops.RadixSoftmax, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.FunctionLayer(x, partial(layers.radix_softmax, radix=op.radix, groups=op.groups), **layer)


@builds(ops.SliceChannels)
def slice_channels(op: ops.SliceChannels, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.FunctionLayer(op.shape(x), lambda value: value[..., op.start : op.stop], **layer)


@builds(ops.PadChannels)
def pad_channels(op: ops.PadChannels, x: Shape, **layer: Any) -> keras.layers.Layer:
    pads = ((0, 0), (0, 0), (0, 0), (0, op.channels))
    return layers.FunctionLayer(op.shape(x), partial(kops.pad, pad_width=pads), **layer)


@builds(ops.SpaceToDepth)
def space_to_depth(op: ops.SpaceToDepth, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.FunctionLayer(op.shape(x), partial(layers.space_to_depth, block=op.block), **layer)


@builds(ops.Flatten)
def flatten(op: ops.Flatten, x: Shape, **layer: Any) -> keras.layers.Layer:
    return layers.FunctionLayer(op.shape(x), layers.flatten, **layer)
