"""Pre-activated ResNet in four stages for 32x32 images, and its wide, ResNeXt and SE forms (origin 3).

The blocks are those of 1603.05027, with shortcuts without weights: they average the raw input where the map is halved,
and append channels of zeros. The origin pads channels on both sides; this version pads at the end.
"""

from functools import partial

from netspec.architectures.preresnet_cifar import Branch, ConvLayer, basic, bottleneck, preactivated, stages
from netspec.architectures.senet import sixteenth
from netspec.functional import (
    Function,
    activation_of,
    average_and_pad,
    classify,
    conv,
    identity,
    make_divisible,
    norm_act,
    patch_up,
)
from netspec.registry import family
from netspec.tracer import Tensor

DEPTHS = {
    "18": (2, 2, 2, 2),
    "34": (3, 4, 6, 3),
    "35b": (2, 3, 4, 2),
    "50b": (3, 4, 6, 3),
    "101b": (3, 4, 23, 3),
    "152b": (3, 8, 36, 3),
    "170b": (4, 10, 36, 6),
}


def grouped(channels: int, stride: int) -> tuple[ConvLayer, ...]:
    """ResNeXt's branch: half of the channels in between, in 32 groups."""
    width = make_divisible(channels // 2, 32)
    return ConvLayer(width, 1), ConvLayer(width, 3, stride, groups=32), ConvLayer(channels, 1)


def shortcut(x: Tensor, activated: Tensor, channels: int, stride: int) -> Tensor:
    return average_and_pad(x, channels, stride)


RESNETS = {  # branch, channels of the stem, of the first stage, blocks in each stage
    "resnetv2_18_cifar": (basic, 16, 16, DEPTHS["18"]),
    "resnetv2_34_cifar": (basic, 16, 16, DEPTHS["34"]),
    "resnetv2_35b_cifar": (bottleneck, 16, 64, DEPTHS["35b"]),
    "resnetv2_50b_cifar": (bottleneck, 16, 64, DEPTHS["50b"]),
    "resnetv2_101b_cifar": (bottleneck, 16, 64, DEPTHS["101b"]),
    "resnetv2_152b_cifar": (bottleneck, 16, 64, DEPTHS["152b"]),
    "resnetv2_170b_cifar": (bottleneck, 16, 64, DEPTHS["170b"]),
}
WIDE_RESNETS = {
    "wide_resnetv2_18_cifar": (basic, 64, 64, DEPTHS["18"]),
    "wide_resnetv2_34_cifar": (basic, 64, 64, DEPTHS["34"]),
}
RESNEXTS = {
    "resnext50_c32_cifar": (grouped, 32, 64, DEPTHS["50b"]),
    "resnext101_c32_cifar": (grouped, 32, 64, DEPTHS["101b"]),
    "resnext152_c32_cifar": (grouped, 32, 64, DEPTHS["152b"]),
}
SENETS = {
    "senet50_cifar": (bottleneck, 16, 64, DEPTHS["50b"], sixteenth),
    "senet101_cifar": (bottleneck, 16, 64, DEPTHS["101b"], sixteenth),
    "senet152_cifar": (bottleneck, 16, 64, DEPTHS["152b"], sixteenth),
}


def resnetv2_cifar(
    x: Tensor,
    classes: int,
    branch: Branch,
    stem: int,
    channels: int,
    depths: tuple[int, ...],
    attention: Function = identity,
    *,
    activation: str = "relu",
    stochastic_depth: float = 1.0,
    dropout: float = 0.0,
    patchup: bool = False,
    width: float = 1.0,
) -> Tensor:
    act = activation_of(activation)
    unit = partial(preactivated, activation=act, shortcut=shortcut, attention=attention)
    mix = patch_up if patchup else identity
    x = mix(conv(mix(x), make_divisible(stem * width), 3, bias=False, name="stem"))
    x = stages(x, branch, make_divisible(channels * width), depths, unit, stochastic_depth, mix)
    return classify(norm_act(x, act, name="norm"), classes, dropout)


family("resnetv2_cifar", resnetv2_cifar, RESNETS, paper="1603.05027", input_shape=(3, 32, 32), classes=10)
family("resnetv2_cifar", resnetv2_cifar, WIDE_RESNETS, paper="1605.07146", input_shape=(3, 32, 32), classes=10)
family("resnetv2_cifar", resnetv2_cifar, RESNEXTS, paper="1611.05431", input_shape=(3, 32, 32), classes=10)
family("resnetv2_cifar", resnetv2_cifar, SENETS, paper="1709.01507", input_shape=(3, 32, 32), classes=10)
