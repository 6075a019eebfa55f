"""GoogLeNet (Szegedy et al. 2015, 1409.4842): inception modules, and two auxiliary classifiers in training.

`googlenet` is the paper's network, as in Caffe: biases, local response norm, and every 3x3/2 max-pool in ceil mode.
`googlenet_bn` is torchvision's: batch norm (epsilon 1e-3) instead of local response norm, a 3x3 convolution instead of
the 5x5, and a 2x2 last max-pool. torchvision's auxiliary heads pool adaptively to 4x4. Here both networks pool 5x5/3,
as the paper does, which gives 4x4 at 224 pixels. `dropout` is the main classifier's.
"""

from functools import partial

from netspec.functional import (
    Function,
    Unit,
    activation_of,
    avg_pool,
    batch_norm,
    classify,
    concat,
    conv,
    conv_bn,
    dropout as drop,
    flatten,
    identity,
    linear,
    local_response_norm,
    max_pool,
)
from netspec.registry import family
from netspec.tracer import Heads, Tensor, block


def conv_act(x: Tensor, channels: int, kernel: int, stride: int = 1, *, activation: Function, name: str) -> Tensor:
    return activation(conv(x, channels, kernel, stride, name=name))


conv_bn_act = partial(conv_bn, norm=partial(batch_norm, epsilon=1e-3))


@block
def inception(x: Tensor, widths: tuple[int, ...], unit: Unit, large: int) -> Tensor:
    """1x1, 3x3 and `large` convolutions and a max-pool side by side; the last three also have 1x1 convolutions."""
    one, reduce3, three, reduce5, five, pooled = widths
    branch1 = unit(x, one, 1, name="branch1.conv")
    branch2 = unit(unit(x, reduce3, 1, name="branch2.conv1"), three, 3, name="branch2.conv2")
    branch3 = unit(unit(x, reduce5, 1, name="branch3.conv1"), five, large, name="branch3.conv2")
    branch4 = unit(max_pool(x, 3, 1, padding=1), pooled, 1, name="branch4.conv")
    return concat(branch1, branch2, branch3, branch4, name="concat")


@block
def auxiliary(x: Tensor, classes: int, unit: Unit, activation: Function, dropout: float) -> Tensor:
    """A classifier on a map in the middle of the network."""
    x = unit(avg_pool(x, 5, 3), 128, 1, name="conv")
    x = drop(activation(linear(flatten(x), 1024, name="fc1")), dropout)
    return linear(x, classes, name="fc2")


STAGES = {  # 1x1, 1x1 before 3x3, 3x3, 1x1 before 5x5, 5x5, 1x1 after the pool
    3: {"a": (64, 96, 128, 16, 32, 32), "b": (128, 128, 192, 32, 96, 64)},
    4: {
        "a": (192, 96, 208, 16, 48, 64),
        "b": (160, 112, 224, 24, 64, 64),
        "c": (128, 128, 256, 24, 64, 64),
        "d": (112, 144, 288, 32, 64, 64),
        "e": (256, 160, 320, 32, 128, 128),
    },
    5: {"a": (256, 160, 320, 32, 128, 128), "b": (384, 192, 384, 48, 128, 128)},
}


def network(
    x: Tensor,
    classes: int,
    layer: Unit,
    large: int,
    norm: Function,
    last_pool: int,
    activation: str,
    dropout: float,
    aux_heads: bool,
) -> Heads:
    act = activation_of(activation)
    unit = partial(layer, activation=act)
    x = norm(max_pool(unit(x, 64, 7, 2, name="conv1"), 3, 2, ceil=True))
    x = unit(unit(x, 64, 1, name="conv2"), 192, 3, name="conv3")
    x = max_pool(norm(x), 3, 2, ceil=True)
    heads: dict[Tensor, float] = {}
    for stage, modules in STAGES.items():
        for letter, widths in modules.items():
            x = inception(x, widths, unit, large, name=f"inception{stage}{letter}")
            if aux_heads and f"{stage}{letter}" in ("4a", "4d"):
                heads[auxiliary(x, classes, unit, act, 0.7, name=f"aux{len(heads) + 1}")] = 0.3
        if stage < 5:
            x = max_pool(x, 3 if stage == 3 else last_pool, 2, ceil=True)
    logits = classify(x, classes, dropout)
    return {logits: 1.0, **heads} if heads else logits


def googlenet(
    x: Tensor, classes: int, *, activation: str = "relu", dropout: float = 0.4, aux_heads: bool = False
) -> Heads:
    return network(x, classes, conv_act, 5, local_response_norm, 3, activation, dropout, aux_heads)


family("googlenet", googlenet, {"googlenet": ()}, paper="1409.4842", input_shape=(3, 224, 224), classes=1000)


def googlenet_bn(
    x: Tensor, classes: int, *, activation: str = "relu", dropout: float = 0.2, aux_heads: bool = False
) -> Heads:
    return network(x, classes, conv_bn_act, 3, identity, 2, activation, dropout, aux_heads)


family("googlenet", googlenet_bn, {"googlenet_bn": ()}, paper="1409.4842", input_shape=(3, 224, 224), classes=1000)
