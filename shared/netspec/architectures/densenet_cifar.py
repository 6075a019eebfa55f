"""DenseNet for 32x32 images (Huang et al. 2017, 1608.06993).

Every layer reads the maps of all earlier layers in its block. The BC form has a 1x1 bottleneck before each 3x3
convolution and halves the channels between blocks.
"""

from netspec.functional import (
    Function,
    activation_of,
    avg_pool,
    classify,
    concat,
    conv,
    dropout as drop,
    norm_act,
)
from netspec.registry import family
from netspec.tracer import Tensor, block


@block
def dense_layer(x: Tensor, growth_rate: int, with_bottleneck: bool, activation: Function, dropout: float) -> Tensor:
    """Append `growth_rate` new channels to those of `x`."""
    y = x
    if with_bottleneck:
        y = norm_act(y, activation, name="norm1")
        y = drop(conv(y, 4 * growth_rate, 1, bias=False, name="conv1"), dropout)
    y = norm_act(y, activation, name="norm2")
    return concat(x, drop(conv(y, growth_rate, 3, bias=False, name="conv2"), dropout))


@block
def transition(x: Tensor, compression: float, activation: Function, dropout: float) -> Tensor:
    """Multiply the channels by `compression` with a 1x1 convolution, and halve the map."""
    y = norm_act(x, activation, name="norm")
    y = drop(conv(y, int(x.channels * compression), 1, bias=False, name="conv"), dropout)
    return avg_pool(y, 2)


def dense_blocks(
    x: Tensor,
    depths: tuple[int, ...],
    growth_rate: int,
    with_bottleneck: bool,
    activation: Function,
    dropout: float,
) -> Tensor:
    """Blocks of `depths` layers with transitions between them; the BC form halves the channels there."""
    for i, depth in enumerate(depths, 1):
        if i > 1:
            x = transition(x, 0.5 if with_bottleneck else 1.0, activation, dropout, name=f"transition{i - 1}")
        for j in range(depth):
            x = dense_layer(x, growth_rate, with_bottleneck, activation, dropout, name=f"block{i}.layer{j}")
    return norm_act(x, activation, name="norm")


VARIANTS = {  # depth, growth rate, BC form
    "densenet40_k12": (40, 12, False),
    "densenet100_k12": (100, 12, False),
    "densenet100_k24": (100, 24, False),
    "densenet40_k12_bc": (40, 12, True),
    "densenet100_k12_bc": (100, 12, True),
    "densenet100_k16_bc": (100, 16, True),
    "densenet100_k24_bc": (100, 24, True),
    "densenet160_k12_bc": (160, 12, True),
    "densenet160_k24_bc": (160, 24, True),
    "densenet250_k12_bc": (250, 12, True),
    "densenet250_k24_bc": (250, 24, True),
    "densenet190_k40_bc": (190, 40, True),
}


def densenet_cifar(
    x: Tensor,
    classes: int,
    depth: int,
    growth_rate: int,
    with_bottleneck: bool,
    *,
    activation: str = "relu",
    dropout: float = 0.0,
) -> Tensor:
    """`dropout` follows every convolution but the first; the paper uses 0.2 when it does not augment."""
    layers = (depth - 4) // (6 if with_bottleneck else 3)
    x = conv(x, 2 * growth_rate if with_bottleneck else 16, 3, bias=False, name="stem")
    x = dense_blocks(x, (layers,) * 3, growth_rate, with_bottleneck, activation_of(activation), dropout)
    return classify(x, classes)


family("densenet_cifar", densenet_cifar, VARIANTS, paper="1608.06993", input_shape=(3, 32, 32), classes=10)
