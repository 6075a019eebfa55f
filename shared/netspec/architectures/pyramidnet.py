"""PyramidNet (Han et al. 2017, 1610.02915): every block is a little wider than the previous one.

Each block adds its share of `alpha` channels; the sum is kept unrounded. A block begins and ends with batch norm and
has no activation at either end. Shortcuts have no weights: they average where the map is halved, and append channels of
zeros.

`shakedrop` is the survival probability of ShakeDrop (1802.02375) in the last block; it falls linearly over the blocks,
and 1 turns ShakeDrop off. It comes after the last batch norm of each block. The paper uses 0.5.
"""

from netspec.architectures.preresnet_cifar import Branch, ConvLayer, basic, bottleneck
from netspec.functional import (
    Function,
    activation_of,
    add,
    average_and_pad,
    batch_norm,
    classify,
    conv_bn,
    linear_survival,
    max_pool,
    norm_act,
    shake_drop,
    stochastic_depth,
)
from netspec.registry import family
from netspec.tracer import Tensor, block


@block
def pyramid_block(
    x: Tensor,
    layers: tuple[ConvLayer, ...],
    stride: int,
    activation: Function,
    survival: float,
    shaken_survival: float = 1.0,
) -> Tensor:
    y = batch_norm(x, name="norm")
    for i, layer in enumerate(layers, 1):
        act = activation if i < len(layers) else None
        y = conv_bn(y, layer.channels, layer.kernel, layer.stride, activation=act, name=f"conv{i}")
    y = shake_drop(stochastic_depth(y, survival), shaken_survival)
    return add(y, average_and_pad(x, y.channels, stride))


def pyramid(
    x: Tensor,
    branch: Branch,
    alpha: int,
    depths: tuple[int, ...],
    activation: Function,
    survival: float,
    shaken_survival: float,
) -> Tensor:
    """Stages that halve the map, except the first; the last block has `alpha` channels more than `x`."""
    expansion = 4 if branch is bottleneck else 1
    survivals = iter(zip(*(linear_survival(last, sum(depths)) for last in (survival, shaken_survival)), strict=True))
    channels = float(x.channels)
    for stage, depth in enumerate(depths, 1):
        for i in range(depth):
            channels += alpha / sum(depths)
            stride = 2 if stage > 1 and i == 0 else 1
            layers = branch(expansion * round(channels), stride)
            x = pyramid_block(x, layers, stride, activation, *next(survivals), name=f"stage{stage}.block{i}")
    return norm_act(x, activation, name="norm")


CIFAR = {  # branch, alpha, blocks in each of the three stages
    "pyramidnet110_a48": (basic, 48, 18),
    "pyramidnet110_a84": (basic, 84, 18),
    "pyramidnet110_a270": (basic, 270, 18),
    "pyramidnet164_a270_bn": (bottleneck, 270, 18),
    "pyramidnet272_a200_bn": (bottleneck, 200, 30),
}
IMAGENET = {  # alpha, bottlenecks in each of the four stages
    "pyramidnet101_a360": (360, (3, 4, 23, 3)),
}


def pyramidnet_cifar(
    x: Tensor,
    classes: int,
    branch: Branch,
    alpha: int,
    blocks: int,
    *,
    activation: str = "relu",
    stochastic_depth: float = 1.0,
    shakedrop: float = 1.0,
    dropout: float = 0.0,
) -> Tensor:
    x = conv_bn(x, 16, 3, activation=None, name="stem")
    x = pyramid(x, branch, alpha, (blocks,) * 3, activation_of(activation), stochastic_depth, shakedrop)
    return classify(x, classes, dropout)


family("pyramidnet", pyramidnet_cifar, CIFAR, paper="1610.02915", input_shape=(3, 32, 32), classes=10)


def pyramidnet(
    x: Tensor,
    classes: int,
    alpha: int,
    depths: tuple[int, ...],
    *,
    activation: str = "relu",
    stochastic_depth: float = 1.0,
    shakedrop: float = 1.0,
    dropout: float = 0.0,
) -> Tensor:
    act = activation_of(activation)
    x = max_pool(conv_bn(x, 64, 7, 2, activation=act, name="stem"), 3, 2, padding=1)
    x = pyramid(x, bottleneck, alpha, depths, act, stochastic_depth, shakedrop)
    return classify(x, classes, dropout)


family("pyramidnet", pyramidnet, IMAGENET, paper="1610.02915", input_shape=(3, 224, 224), classes=1000)
