"""TResNet (Ridnik et al. 2021, 2003.13630): ResNet refined for GPU throughput.

It has space-to-depth instead of a stem, leaky ReLU inside the blocks and ReLU after their sums, and blurred strides.
The first two stages have basic blocks, the others bottlenecks. All stages but the last have squeeze and excitation.
Plain batch norm replaces the authors' in-place one. The option `activation` replaces the leaky ReLUs, of slopes 1e-2 in
the stem and 1e-3 in the blocks, and the ReLUs; squeeze and excitation keeps its ReLU.
"""

from functools import partial
from typing import NamedTuple

from netspec.architectures.resnet import average_projection
from netspec.functional import (
    MIXED,
    Function,
    activation as apply,
    activation_or,
    add,
    blur_pool,
    classify,
    conv_bn,
    identity,
    linear_survival,
    relu,
    space_to_depth,
    squeeze_excite,
    stochastic_depth,
)
from netspec.registry import family
from netspec.tracer import Tensor, block


def leaky(x: Tensor) -> Tensor:
    return apply(x, "leaky_relu", slope=1e-3)


def stem_leaky(x: Tensor) -> Tensor:
    return apply(x, "leaky_relu", slope=1e-2)


def blurred(x: Tensor, stride: int) -> Tensor:
    return blur_pool(x, stride) if stride > 1 else x


def attend(x: Tensor, reduction: int) -> Tensor:
    return squeeze_excite(x, max(x.channels // reduction, 64), name="se")


class Acts(NamedTuple):
    """The activations of a block: inside it, and after its sum."""

    inside: Function
    after: Function


@block
def basic_block(x: Tensor, channels: int, stride: int, attention: Function, survival: float, acts: Acts) -> Tensor:
    y = blurred(conv_bn(x, channels, 3, activation=acts.inside, name="conv1"), stride)
    y = attention(conv_bn(y, channels, 3, activation=None, name="conv2"))
    return acts.after(add(stochastic_depth(y, survival), average_projection(x, channels, stride)))


@block
def bottleneck(x: Tensor, channels: int, stride: int, attention: Function, survival: float, acts: Acts) -> Tensor:
    """Attention comes before the last convolution."""
    y = conv_bn(x, channels // 4, 1, activation=acts.inside, name="conv1")
    y = attention(blurred(conv_bn(y, channels // 4, 3, activation=acts.inside, name="conv2"), stride))
    y = conv_bn(y, channels, 1, activation=None, name="conv3")
    return acts.after(add(stochastic_depth(y, survival), average_projection(x, channels, stride)))


VARIANTS = {  # channels of the stem, blocks in each stage
    "tresnet_m": (64, (3, 4, 11, 3)),
    "tresnet_l": (76, (4, 5, 18, 3)),
    "tresnet_xl": (83, (4, 5, 24, 3)),
}


def tresnet(
    x: Tensor,
    classes: int,
    channels: int,
    depths: tuple[int, ...],
    *,
    activation: str = MIXED,
    stochastic_depth: float = 1.0,
    dropout: float = 0.0,
) -> Tensor:
    stages = (  # block, channels, attention
        (basic_block, channels, partial(attend, reduction=4)),
        (basic_block, 2 * channels, partial(attend, reduction=4)),
        (bottleneck, 16 * channels, partial(attend, reduction=2)),
        (bottleneck, 32 * channels, identity),
    )
    acts = Acts(activation_or(activation, leaky), activation_or(activation, relu))
    survivals = iter(linear_survival(stochastic_depth, sum(depths)))
    x = conv_bn(space_to_depth(x, 4), channels, 3, activation=activation_or(activation, stem_leaky), name="stem")
    for stage, (depth, (unit, width, attention)) in enumerate(zip(depths, stages, strict=True), 1):
        for i in range(depth):
            stride = 2 if stage > 1 and i == 0 else 1
            x = unit(x, width, stride, attention, next(survivals), acts, name=f"stage{stage}.block{i}")
    return classify(x, classes, dropout)


family("tresnet", tresnet, VARIANTS, paper="2003.13630", input_shape=(3, 224, 224), classes=1000)
