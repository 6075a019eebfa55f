"""AlexNet (Krizhevsky et al. 2012), and the one-column form of 1404.5997 that torchvision has.

The 2012 network starts with 96 channels, has local response norm, and splits convolutions into the two groups that were
on two GPUs. As in Caffe, its first layer has no padding. `alexnet_half` is origin 2's, about half as wide. The first
dense layer flattens a map of any size: 6x6 at the native size.
"""

from netspec.functional import (
    Function,
    activation_of,
    conv,
    dropout as drop,
    flatten,
    identity,
    linear,
    local_response_norm,
    max_pool,
)
from netspec.registry import family
from netspec.tracer import Tensor

# channels of the five convolutions; of the dense layers
ONE_COLUMN = {"alexnet": ((64, 192, 384, 256, 256), 4096)}
HALF = {"alexnet_half": ((48, 128, 192, 192, 128), 2048)}
GROUPED = {"alexnet_grouped": ()}


def features(
    x: Tensor,
    channels: tuple[int, ...],
    act: Function,
    padding: int = 2,
    groups: int = 1,
    norm: Function = identity,
) -> Tensor:
    """Five convolutions and `act`. `norm` follows the first two; `groups` splits the second, fourth and fifth."""
    first, second, third, fourth, fifth = channels
    x = max_pool(norm(act(conv(x, first, 11, 4, padding=padding, name="conv1"))), 3, 2)
    x = max_pool(norm(act(conv(x, second, 5, groups=groups, name="conv2"))), 3, 2)
    x = act(conv(x, third, 3, name="conv3"))
    x = act(conv(x, fourth, 3, groups=groups, name="conv4"))
    x = act(conv(x, fifth, 3, groups=groups, name="conv5"))
    return flatten(max_pool(x, 3, 2))


def alexnet(
    x: Tensor,
    classes: int,
    channels: tuple[int, ...],
    hidden: int,
    *,
    activation: str = "relu",
    dropout: float = 0.5,
) -> Tensor:
    """Dropout comes before the first two dense layers."""
    act = activation_of(activation)
    x = drop(features(x, channels, act), dropout)
    x = drop(act(linear(x, hidden, name="fc6")), dropout)
    x = act(linear(x, hidden, name="fc7"))
    return linear(x, classes, name="fc8")


family("alexnet", alexnet, ONE_COLUMN, paper="1404.5997", input_shape=(3, 224, 224), classes=1000)
family("alexnet", alexnet, HALF, paper="Krizhevsky 2012", input_shape=(3, 224, 224), classes=5)


def alexnet_grouped(x: Tensor, classes: int, *, activation: str = "relu", dropout: float = 0.5) -> Tensor:
    """Dropout comes after the first two dense layers."""
    act = activation_of(activation)
    x = features(x, (96, 256, 384, 384, 256), act, padding=0, groups=2, norm=local_response_norm)
    x = drop(act(linear(x, 4096, name="fc6")), dropout)
    x = drop(act(linear(x, 4096, name="fc7")), dropout)
    return linear(x, classes, name="fc8")


family("alexnet", alexnet_grouped, GROUPED, paper="Krizhevsky 2012", input_shape=(3, 227, 227), classes=1000)
