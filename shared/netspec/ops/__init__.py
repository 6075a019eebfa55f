"""The vocabulary: the ops that a network may consist of.

`VOCABULARY` is closed and ordered. Each of the three builders has one handler per op, under the op's `kind` and in this
order; a test checks that.
"""

from netspec.ops.base import NoisyOp, Op, Padding, Param, Shape, snake_case
from netspec.ops.channels import Flatten, PadChannels, SliceChannels, SpaceToDepth
from netspec.ops.draws import Draw, Keep, Law, Planned, Uniform
from netspec.ops.merge import Add, Concat, Mul, RadixSoftmax
from netspec.ops.noise import Dropout, PatchUp, ShakeDrop, StochasticDepth
from netspec.ops.norm import BatchNorm, FrozenBatchNorm, InstanceNorm, LocalResponseNorm
from netspec.ops.pointwise import ACTIVATIONS, Activation, Scale
from netspec.ops.pool import AvgPool, BlurPool, GlobalAvgPool, MaxPool
from netspec.ops.weighted import Conv, Linear

VOCABULARY: dict[str, type[Op]] = {
    snake_case(op.__name__): op
    for op in (
        Conv,
        Linear,
        BatchNorm,
        FrozenBatchNorm,
        InstanceNorm,
        LocalResponseNorm,
        MaxPool,
        AvgPool,
        GlobalAvgPool,
        BlurPool,
        Activation,
        Scale,
        Dropout,
        StochasticDepth,
        ShakeDrop,
        PatchUp,
        Add,
        Mul,
        Concat,
        RadixSoftmax,
        SliceChannels,
        PadChannels,
        SpaceToDepth,
        Flatten,
    )
}

__all__ = [
    "ACTIVATIONS",
    "VOCABULARY",
    "Activation",
    "Add",
    "AvgPool",
    "BatchNorm",
    "BlurPool",
    "Concat",
    "Conv",
    "Draw",
    "Dropout",
    "Flatten",
    "FrozenBatchNorm",
    "GlobalAvgPool",
    "InstanceNorm",
    "Keep",
    "Law",
    "Linear",
    "LocalResponseNorm",
    "MaxPool",
    "Mul",
    "NoisyOp",
    "Op",
    "PadChannels",
    "Padding",
    "Param",
    "PatchUp",
    "Planned",
    "RadixSoftmax",
    "Scale",
    "ShakeDrop",
    "Shape",
    "SliceChannels",
    "SpaceToDepth",
    "StochasticDepth",
    "Uniform",
    "snake_case",
]
