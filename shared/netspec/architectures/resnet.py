"""ResNet for 224x224 images (He et al. 2016, 1512.03385).

As in torchvision ("v1.5"), a bottleneck applies its stride in the 3x3 convolution; the paper applies it in the first
1x1. Shortcuts are 1x1 convolutions where the shape changes (option B). Later families use this network with another
stem, or with other `Parts` in its blocks.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from netspec.functional import (
    Function,
    Unit,
    activation_of,
    add,
    avg_pool,
    batch_norm,
    classify,
    conv_bn,
    identity,
    linear_survival,
    max_pool,
    relu,
    stochastic_depth,
)
from netspec.registry import family
from netspec.tracer import Tensor, block


def projection(x: Tensor, channels: int, stride: int) -> Tensor:
    """The shortcut: `x` unchanged, or a 1x1 convolution if the shape changes."""
    if stride == 1 and x.channels == channels:
        return x
    return conv_bn(x, channels, 1, stride, activation=None, name="shortcut")


def average_projection(x: Tensor, channels: int, stride: int) -> Tensor:
    """ResNet-D's shortcut (1812.01187): an average before the 1x1 convolution where the map is halved."""
    if stride == 1 and x.channels == channels:
        return x
    if stride > 1:
        x = avg_pool(x, stride, ceil=True, count_include_pad=False, name="shortcut.avg_pool")
    return conv_bn(x, channels, 1, activation=None, name="shortcut")


@dataclass(frozen=True)
class Parts:
    """The parts of a residual block."""

    activation: Function = relu
    groups: int = 1  # of a bottleneck's 3x3 convolution
    base_width: int = 64  # channels of each group in the first stage
    norm: Unit = batch_norm  # after the first 1x1 convolution
    spatial: Unit = conv_bn  # the 3x3 convolution, with norm and activation
    attention: Function = identity  # on the branch, before the sum
    shortcut: Callable[[Tensor, int, int], Tensor] = projection
    join: Callable[[Tensor, Tensor], Tensor] = add


@block
def basic_block(x: Tensor, channels: int, stride: int, parts: Parts, survival: float) -> Tensor:
    """Two 3x3 convolutions plus the shortcut."""
    y = conv_bn(x, channels, 3, stride, activation=parts.activation, name="conv1")
    y = conv_bn(y, channels, 3, activation=None, name="conv2")
    y = stochastic_depth(parts.attention(y), survival)
    return parts.activation(parts.join(y, parts.shortcut(x, channels, stride)))


@block
def bottleneck(x: Tensor, channels: int, stride: int, parts: Parts, survival: float) -> Tensor:
    """A 1x1, a 3x3 and a 1x1 convolution, the last with `channels` outputs, plus the shortcut."""
    width = channels * parts.groups * parts.base_width // 256
    y = conv_bn(x, width, 1, norm=parts.norm, activation=parts.activation, name="conv1")
    y = parts.spatial(y, width, 3, stride, groups=parts.groups, activation=parts.activation, name="conv2")
    y = conv_bn(y, channels, 1, activation=None, name="conv3")
    y = stochastic_depth(parts.attention(y), survival)
    return parts.activation(parts.join(y, parts.shortcut(x, channels, stride)))


def stem(x: Tensor, activation: Function) -> Tensor:
    return max_pool(conv_bn(x, 64, 7, 2, activation=activation, name="stem"), 3, 2, padding=1)


def deep_stem(x: Tensor, activation: Function, channels: int) -> Tensor:
    """Three 3x3 convolutions in place of the 7x7; the last has twice the channels."""
    x = conv_bn(x, channels, 3, 2, activation=activation, name="stem.conv1")
    x = conv_bn(x, channels, 3, activation=activation, name="stem.conv2")
    x = conv_bn(x, 2 * channels, 3, activation=activation, name="stem.conv3")
    return max_pool(x, 3, 2, padding=1)


VARIANTS = {  # blocks in each stage, their parts, stem, block, channels of the first stage
    "resnet18": ((2, 2, 2, 2), Parts(), stem, basic_block, 64),
    "resnet34": ((3, 4, 6, 3), Parts(), stem, basic_block, 64),
    "resnet50": ((3, 4, 6, 3),),
    "resnet101": ((3, 4, 23, 3),),
    "resnet152": ((3, 8, 36, 3),),
}


def resnet(
    x: Tensor,
    classes: int,
    depths: tuple[int, ...],
    parts: Parts | Callable[[int, bool], Parts] = Parts(),
    stem: Callable[[Tensor, Function], Tensor] = stem,
    unit: Callable[..., Tensor] = bottleneck,
    channels: int = 256,
    *,
    activation: str = "relu",
    stochastic_depth: float = 1.0,
    dropout: float = 0.0,
) -> Tensor:
    """Stages of `unit`. The first has `channels`; each later one halves the map and doubles the channels.

    `parts` may be a function of the stage (from 1) and of whether the block is the last of its stage.
    """
    act = activation_of(activation)
    survivals = iter(linear_survival(stochastic_depth, sum(depths)))
    x = stem(x, act)
    for stage, depth in enumerate(depths, 1):
        for i in range(depth):
            stride = 2 if stage > 1 and i == 0 else 1
            chosen = replace(parts if isinstance(parts, Parts) else parts(stage, i == depth - 1), activation=act)
            x = unit(x, channels, stride, chosen, next(survivals), name=f"stage{stage}.block{i}")
        channels *= 2
    return classify(x, classes, dropout)


family("resnet", resnet, VARIANTS, paper="1512.03385", input_shape=(3, 224, 224), classes=1000)
