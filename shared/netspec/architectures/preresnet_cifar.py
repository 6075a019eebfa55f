"""Pre-activated ResNet for 32x32 images (He et al. 2016, 1603.05027).

Batch norm and ReLU come before each convolution; nothing follows the sum. Where the shape changes, the shortcut is a
1x1 convolution of the activated input.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from netspec.functional import (
    Function,
    activation_of,
    add,
    classify,
    conv,
    dropout,
    identity,
    linear_survival,
    norm_act,
    patch_up,
    relu,
    stochastic_depth,
)
from netspec.registry import family
from netspec.tracer import Tensor, block


class ConvLayer(NamedTuple):
    """A convolution of a residual branch."""

    channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    dropout: float = 0.0  # before the convolution


Branch = Callable[[int, int], tuple[ConvLayer, ...]]  # takes channels and stride, returns the branch's layers


def basic(channels: int, stride: int) -> tuple[ConvLayer, ...]:
    return ConvLayer(channels, 3, stride), ConvLayer(channels, 3)


def bottleneck(channels: int, stride: int) -> tuple[ConvLayer, ...]:
    return ConvLayer(channels // 4, 1), ConvLayer(channels // 4, 3, stride), ConvLayer(channels, 1)


def projection(x: Tensor, activated: Tensor, channels: int, stride: int) -> Tensor:
    """The shortcut: `x` unchanged, or a 1x1 convolution of the activated input if the shape changes."""
    if stride == 1 and x.channels == channels:
        return x
    return conv(activated, channels, 1, stride, bias=False, name="shortcut")


@block
def preactivated(
    x: Tensor,
    layers: tuple[ConvLayer, ...],
    activation: Function = relu,
    shortcut: Callable[[Tensor, Tensor, int, int], Tensor] = projection,
    attention: Function = identity,
    survival: float = 1.0,
) -> Tensor:
    """Convolutions, each after batch norm and activation, plus the shortcut."""
    y = activated = norm_act(x, activation, name="norm1")
    for i, layer in enumerate(layers, 1):
        if i > 1:
            y = norm_act(y, activation, name=f"norm{i}")
        y = dropout(y, layer.dropout)
        y = conv(y, layer.channels, layer.kernel, layer.stride, groups=layer.groups, bias=False, name=f"conv{i}")
    stride = max(layer.stride for layer in layers)
    return add(stochastic_depth(attention(y), survival), shortcut(x, activated, y.channels, stride))


def stages(
    x: Tensor,
    branch: Branch,
    channels: int,
    depths: tuple[int, ...],
    unit: Callable[..., Tensor] = preactivated,
    survival: float = 1.0,
    after_first: Function = identity,
) -> Tensor:
    """Stages of residual blocks; each stage after the first halves the map and doubles the channels."""
    survivals = iter(linear_survival(survival, sum(depths)))
    for stage, depth in enumerate(depths, 1):
        for i in range(depth):
            layers = branch(channels, 2 if stage > 1 and i == 0 else 1)
            x = unit(x, layers, survival=next(survivals), name=f"stage{stage}.block{i}")
        x = after_first(x) if stage == 1 else x
        channels *= 2
    return x


VARIANTS = {  # branch, its channels in the first stage, blocks in each of the three stages
    "preresnet20": (basic, 16, 3),
    "preresnet32": (basic, 16, 5),
    "preresnet50": (basic, 16, 8),
    "preresnet56": (basic, 16, 9),
    "preresnet110": (basic, 16, 18),
    "preresnet164_bn": (bottleneck, 64, 18),
    "preresnet1001_bn": (bottleneck, 64, 111),
}


def preresnet_cifar(
    x: Tensor,
    classes: int,
    branch: Branch,
    channels: int,
    blocks: int,
    *,
    activation: str = "relu",
    stochastic_depth: float = 1.0,
    dropout: float = 0.0,
    patchup: bool = False,
) -> Tensor:
    act = activation_of(activation)
    mix = patch_up if patchup else identity
    x = mix(conv(mix(x), 16, 3, bias=False, name="stem"))
    x = stages(x, branch, channels, (blocks,) * 3, partial(preactivated, activation=act), stochastic_depth, mix)
    return classify(norm_act(x, act, name="norm"), classes, dropout)


family("preresnet_cifar", preresnet_cifar, VARIANTS, paper="1603.05027", input_shape=(3, 32, 32), classes=10)
