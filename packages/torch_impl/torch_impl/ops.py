"""One handler an op: from the spec to an `nn.Module` on `(N, C, H, W)` or `(N, C)` tensors.

A handler is called as `handler(op, *input_shapes)`. `HANDLERS` holds them by the op's kind, in the order
of the vocabulary, as in all three builders.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from netspec import ops
from netspec.ops import Shape
from torch_impl import layers, noise

HANDLERS: dict[str, Callable[..., nn.Module]] = {}


def builds(op: type[ops.Op]) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    def register(handler: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        HANDLERS[ops.snake_case(op.__name__)] = handler
        return handler

    return register


@builds(ops.Conv)
def conv(op: ops.Conv, x: Shape) -> nn.Module:
    return layers.Conv2d(
        x[0], op.out_channels, op.kernel, op.stride, op.padding, op.dilation, groups=op.groups, bias=op.bias
    )


@builds(ops.Linear)
def linear(op: ops.Linear, x: Shape) -> nn.Module:
    return nn.Linear(x[0], op.out_features, bias=op.bias)


@builds(ops.BatchNorm)
def batch_norm(op: ops.BatchNorm, x: Shape) -> nn.Module:
    return layers.BatchNorm2d(x[0], eps=op.epsilon, momentum=op.fraction)


@builds(ops.FrozenBatchNorm)
def frozen_batch_norm(op: ops.FrozenBatchNorm, x: Shape) -> nn.Module:
    return layers.FrozenBatchNorm2d(x[0], op.epsilon)


@builds(ops.InstanceNorm)
def instance_norm(op: ops.InstanceNorm, x: Shape) -> nn.Module:
    return nn.InstanceNorm2d(x[0], eps=op.epsilon, affine=True)


@builds(ops.LocalResponseNorm)
def local_response_norm(op: ops.LocalResponseNorm, x: Shape) -> nn.Module:
    return nn.LocalResponseNorm(op.size, op.alpha, op.beta, op.k)


@builds(ops.MaxPool)
def max_pool(op: ops.MaxPool, x: Shape) -> nn.Module:
    return layers.MaxPool2d(op.kernel, op.stride, op.padding)


@builds(ops.AvgPool)
def avg_pool(op: ops.AvgPool, x: Shape) -> nn.Module:
    return layers.AvgPool2d(op.kernel, op.stride, op.total_padding, op.divisors(x))


@builds(ops.GlobalAvgPool)
def global_avg_pool(op: ops.GlobalAvgPool, x: Shape) -> nn.Module:
    return layers.FunctionLayer(partial(torch.mean, dim=(2, 3), keepdim=op.keepdims), "global_avg_pool")


@builds(ops.BlurPool)
def blur_pool(op: ops.BlurPool, x: Shape) -> nn.Module:
    return layers.BlurPool2d(x[0], op.stride)


@builds(ops.Activation)
def activation(op: ops.Activation, x: Shape) -> nn.Module:
    return layers.ACTIVATIONS[op.fn](op.slope)


@builds(ops.Scale)
def scale(op: ops.Scale, x: Shape) -> nn.Module:
    return layers.FunctionLayer(partial(torch.mul, other=op.factor), f"scale by {op.factor}")


@builds(ops.Dropout)
def dropout(op: ops.Dropout, x: Shape, draw: Shape | None = None) -> nn.Module:
    return noise.Noise(1 - op.rate, x)


@builds(ops.StochasticDepth)
def stochastic_depth(op: ops.StochasticDepth, x: Shape, draw: Shape | None = None) -> nn.Module:
    return noise.Noise(op.survival, op.draws(x)[0].shape)


@builds(ops.ShakeDrop)
def shake_drop(op: ops.ShakeDrop, x: Shape, *draws: Shape) -> nn.Module:
    return noise.ShakeDrop(op.survival)


@builds(ops.PatchUp)
def patch_up(op: ops.PatchUp, x: Shape, *draws: Shape) -> nn.Module:
    return layers.FunctionLayer(noise.patch_up, "patch_up")


@builds(ops.Add)
def add(op: ops.Add, *inputs: Shape) -> nn.Module:
    return layers.FunctionLayer(layers.sum_of, "add")


@builds(ops.Mul)
def mul(op: ops.Mul, x: Shape, y: Shape) -> nn.Module:
    return layers.FunctionLayer(torch.mul, "mul")


@builds(ops.Concat)
def concat(op: ops.Concat, *inputs: Shape) -> nn.Module:
    return layers.FunctionLayer(layers.concat_of, "concat")


@builds(ops.RadixSoftmax)
def radix_softmax(op: ops.RadixSoftmax, x: Shape) -> nn.Module:
    return layers.FunctionLayer(partial(layers.radix_softmax, radix=op.radix, groups=op.groups), "radix_softmax")


@builds(ops.SliceChannels)
def slice_channels(op: ops.SliceChannels, x: Shape) -> nn.Module:
    return layers.FunctionLayer(
        partial(torch.narrow, dim=1, start=op.start, length=op.stop - op.start), f"channels {op.start}:{op.stop}"
    )


@builds(ops.PadChannels)
def pad_channels(op: ops.PadChannels, x: Shape) -> nn.Module:
    return layers.FunctionLayer(partial(F.pad, pad=(0, 0, 0, 0, 0, op.channels)), f"{op.channels} zero channels")


@builds(ops.SpaceToDepth)
def space_to_depth(op: ops.SpaceToDepth, x: Shape) -> nn.Module:
    return layers.FunctionLayer(partial(layers.space_to_depth, block=op.block), f"{op.block}x{op.block}")


@builds(ops.Flatten)
def flatten(op: ops.Flatten, x: Shape) -> nn.Module:
    return nn.Flatten()
