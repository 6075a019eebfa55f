"""VGG (Simonyan & Zisserman 2015, 1409.1556): only 3x3 convolutions, then three dense layers.

Convolutions keep their bias with batch norm. The first dense layer flattens a map of any size: 7x7 at the paper's 224
pixels, 1x1 at 32.
"""

from collections.abc import Callable

from netspec.functional import (
    Function,
    activation_of,
    batch_norm,
    conv,
    conv_bn,
    dropout as drop,
    flatten,
    linear,
    max_pool,
)
from netspec.registry import family
from netspec.tracer import Tensor

CHANNELS = (64, 128, 256, 512, 512)

VARIANTS = {  # convolutions in each of the five stages (configurations A, B, D and E), batch norm
    "vgg11": ((1, 1, 2, 2, 2), False),
    "vgg11_bn": ((1, 1, 2, 2, 2), True),
    "vgg13": ((2, 2, 2, 2, 2), False),
    "vgg13_bn": ((2, 2, 2, 2, 2), True),
    "vgg16": ((2, 2, 3, 3, 3), False),
    "vgg16_bn": ((2, 2, 3, 3, 3), True),
    "vgg19": ((2, 2, 4, 4, 4), False),
    "vgg19_bn": ((2, 2, 4, 4, 4), True),
}


def features(x: Tensor, depths: tuple[int, ...], with_norm: bool, act: Function) -> Tensor:
    """Five stages of 3x3 convolutions, each ending in a max-pool that halves the map."""
    for stage, (depth, channels) in enumerate(zip(depths, CHANNELS, strict=True), 1):
        for i in range(1, depth + 1):
            name = f"conv{stage}_{i}"
            if with_norm:
                x = conv_bn(x, channels, 3, activation=act, bias=True, name=name)
            else:
                x = act(conv(x, channels, 3, name=name))
        x = max_pool(x, 2)
    return x


def classifier(
    x: Tensor, classes: int, dropout: float, act: Function, norm: Callable[..., Tensor] | None = None
) -> Tensor:
    """Dense layers 6 to 8, each followed by `norm` if it is given."""

    def dense(x: Tensor, out_features: int, name: str) -> Tensor:
        x = linear(x, out_features, name=name)
        return norm(x, name=f"{name}.bn") if norm else x

    x = drop(act(dense(flatten(x), 4096, "fc6")), dropout)
    x = drop(act(dense(x, 4096, "fc7")), dropout)
    return dense(x, classes, "fc8")


def vgg(
    x: Tensor,
    classes: int,
    depths: tuple[int, ...],
    with_norm: bool,
    *,
    activation: str = "relu",
    dropout: float = 0.5,
) -> Tensor:
    act = activation_of(activation)
    return classifier(features(x, depths, with_norm, act), classes, dropout, act)


family("vgg", vgg, VARIANTS, paper="1409.1556", input_shape=(3, 224, 224), classes=1000)


def vgg_cifar(
    x: Tensor, classes: int, depths: tuple[int, ...], *, activation: str = "relu", dropout: float = 0.5
) -> Tensor:
    """Origin 1's form: batch norm after every layer, including the last dense one."""
    act = activation_of(activation)
    return classifier(features(x, depths, True, act), classes, dropout, act, norm=batch_norm)


family("vgg", vgg_cifar, {"vgg19_cifar": ((2, 2, 4, 4, 4),)}, paper="1409.1556", input_shape=(3, 32, 32), classes=10)
