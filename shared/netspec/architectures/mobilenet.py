"""MobileNetV2 (Sandler et al. 2018, 1801.04381) and V3 (Howard et al. 2019, 1905.02244), as in torchvision.

An inverted residual expands to many channels, applies a depthwise convolution, and projects to few channels without an
activation. V3 adds squeeze and excitation and hard swish; its batch norms have epsilon 1e-3 and fraction 0.01. V3 mixes
ReLU and hard swish: its option `activation` replaces both, but nothing in squeeze and excitation.
"""

from functools import partial
from typing import NamedTuple

from netspec.functional import (
    MIXED,
    Function,
    Unit,
    activation_of,
    activation_or,
    add,
    batch_norm,
    classify,
    conv_bn,
    dropout as drop,
    global_avg_pool,
    identity,
    linear,
    linear_survival,
    make_divisible,
    relu,
    squeeze_excite,
    stochastic_depth,
)
from netspec.registry import family
from netspec.tracer import Tensor, block


class Bottleneck(NamedTuple):
    """An inverted residual: kernel of the depthwise convolution, channels in between, channels out, stride."""

    kernel: int
    expanded: int
    channels: int
    stride: int


@block
def inverted_residual(
    x: Tensor, row: Bottleneck, unit: Unit = conv_bn, attention: Function = identity, survival: float = 1.0
) -> Tensor:
    """`unit` is a convolution with its norm and activation.

    The expanding convolution is left out if it would not change the number of channels.
    """
    y = x if row.expanded == x.channels else unit(x, row.expanded, 1, name="expand")
    y = unit(y, row.expanded, row.kernel, row.stride, groups=row.expanded, name="depthwise")
    y = unit(attention(y), row.channels, 1, activation=None, name="project")
    if row.stride > 1 or row.channels != x.channels:
        return y
    return add(stochastic_depth(y, survival), x)


V2 = (  # expansion, channels, blocks, stride of the first
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(
    x: Tensor,
    classes: int,
    *,
    activation: str = "relu6",
    stochastic_depth: float = 1.0,
    dropout: float = 0.2,
    width: float = 1.0,
) -> Tensor:
    unit = partial(conv_bn, activation=activation_of(activation))
    survivals = iter(linear_survival(stochastic_depth, sum(depth for _, _, depth, _ in V2)))
    x = unit(x, make_divisible(32 * width), 3, 2, name="stem")
    for stage, (expansion, channels, depth, first_stride) in enumerate(V2, 1):
        for i in range(depth):
            stride = first_stride if i == 0 else 1
            row = Bottleneck(3, expansion * x.channels, make_divisible(channels * width), stride)
            x = inverted_residual(x, row, unit, survival=next(survivals), name=f"stage{stage}.block{i}")
    x = unit(x, make_divisible(1280 * max(1.0, width)), 1, name="head")
    return classify(x, classes, dropout)


family("mobilenet", mobilenet_v2, {"mobilenet_v2": ()}, paper="1801.04381", input_shape=(3, 224, 224), classes=1000)


SE, NO = True, False
RE, HS = relu, activation_of("hard_swish")

V3 = {  # dense channels of the head; kernel, expanded channels, channels, squeeze and excitation, activation, stride
    "mobilenet_v3_small": (
        1024,
        (
            (3, 16, 16, SE, RE, 2),
            (3, 72, 24, NO, RE, 2),
            (3, 88, 24, NO, RE, 1),
            (5, 96, 40, SE, HS, 2),
            (5, 240, 40, SE, HS, 1),
            (5, 240, 40, SE, HS, 1),
            (5, 120, 48, SE, HS, 1),
            (5, 144, 48, SE, HS, 1),
            (5, 288, 96, SE, HS, 2),
            (5, 576, 96, SE, HS, 1),
            (5, 576, 96, SE, HS, 1),
        ),
    ),
    "mobilenet_v3_large": (
        1280,
        (
            (3, 16, 16, NO, RE, 1),
            (3, 64, 24, NO, RE, 2),
            (3, 72, 24, NO, RE, 1),
            (5, 72, 40, SE, RE, 2),
            (5, 120, 40, SE, RE, 1),
            (5, 120, 40, SE, RE, 1),
            (3, 240, 80, NO, HS, 2),
            (3, 200, 80, NO, HS, 1),
            (3, 184, 80, NO, HS, 1),
            (3, 184, 80, NO, HS, 1),
            (3, 480, 112, SE, HS, 1),
            (3, 672, 112, SE, HS, 1),
            (5, 672, 160, SE, HS, 2),
            (5, 960, 160, SE, HS, 1),
            (5, 960, 160, SE, HS, 1),
        ),
    ),
}


def quarter(x: Tensor) -> Tensor:
    """V3's squeeze and excitation: a quarter of the channels in between, gated by a hard sigmoid."""
    return squeeze_excite(x, make_divisible(x.channels / 4), gate=activation_of("hard_sigmoid"), name="se")


def mobilenet_v3(
    x: Tensor,
    classes: int,
    hidden: int,
    rows: tuple[tuple[int, int, int, bool, Function, int], ...],
    *,
    activation: str = MIXED,
    stochastic_depth: float = 1.0,
    dropout: float = 0.2,
    width: float = 1.0,
) -> Tensor:
    unit = partial(conv_bn, norm=partial(batch_norm, epsilon=1e-3, fraction=0.01))
    end = activation_or(activation, HS)
    survivals = linear_survival(stochastic_depth, len(rows))
    x = unit(x, make_divisible(16 * width), 3, 2, activation=end, name="stem")
    for i, (kernel, expanded, channels, se, act, stride) in enumerate(rows):
        row = Bottleneck(kernel, make_divisible(expanded * width), make_divisible(channels * width), stride)
        chosen, attention = partial(unit, activation=activation_or(activation, act)), quarter if se else identity
        x = inverted_residual(x, row, chosen, attention, survivals[i], name=f"block{i}")
    x = unit(x, 6 * x.channels, 1, activation=end, name="head")
    x = end(linear(global_avg_pool(x), make_divisible(hidden * width), name="fc"))
    return linear(drop(x, dropout), classes, name="classifier")


family("mobilenet", mobilenet_v3, V3, paper="1905.02244", input_shape=(3, 224, 224), classes=1000)
