"""Inception v3 (Szegedy et al. 2016, 1512.00567), v4 and Inception-ResNet v2 (Szegedy et al. 2017, 1602.07261).

Modules are parallel branches. A branch is a chain of convolutions without bias, each followed by batch norm (epsilon
1e-3) and an activation. Layers that shrink the map use no padding. As in torchvision and timm, the average pools of v3
count their padding; those of the two later networks do not.
"""

from functools import partial
from typing import Final, Literal

from netspec.functional import (
    Function,
    Pair,
    Unit,
    activation_of,
    add,
    avg_pool,
    batch_norm,
    classify,
    concat,
    conv,
    conv_bn,
    global_avg_pool as mean,
    linear,
    max_pool,
    scale,
)
from netspec.registry import family
from netspec.tracer import Heads, Tensor, block

BranchLayer = tuple[int, Pair | Literal["fork"]]  # channels, kernel
Branch = tuple[BranchLayer, ...]
Branches = tuple[Branch, ...]

ROW, COLUMN = (1, 7), (7, 1)
FORK: Final = "fork"  # 1x3 and 3x1 side by side, each with these channels

counted = partial(avg_pool, kernel=3, stride=1, padding=1)  # the means count the padding, as in v3
uncounted = partial(counted, count_include_pad=False)


def unit_with(activation: Function) -> Unit:
    """A convolution, batch norm and `activation`."""
    return partial(conv_bn, norm=partial(batch_norm, epsilon=1e-3), activation=activation)


def chain(x: Tensor, unit: Unit, layers: Branch, stride: int = 1, padding: int | None = None, *, name: str) -> Tensor:
    """Convolutions one after another; stride and padding apply to the last one."""
    for i, (channels, kernel) in enumerate(layers, 1):
        step, pad = (stride, padding) if i == len(layers) else (1, None)
        if kernel == FORK:
            row = unit(x, channels, (1, 3), name=f"{name}.conv{i}a")
            x = concat(row, unit(x, channels, (3, 1), name=f"{name}.conv{i}b"), name=f"{name}.concat")
        else:
            x = unit(x, channels, kernel, step, padding=pad, name=f"{name}.conv{i}")
    return x


def chains(x: Tensor, unit: Unit, branches: Branches, stride: int = 1, padding: int | None = None) -> list[Tensor]:
    return [chain(x, unit, layers, stride, padding, name=f"branch{i}") for i, layers in enumerate(branches, 1)]


@block
def mixed(x: Tensor, unit: Unit, branches: Branches, pooled: int, pool: Function) -> Tensor:
    """Branches, and a pool followed by a 1x1 convolution to `pooled` channels."""
    return concat(*chains(x, unit, branches), unit(pool(x), pooled, 1, name="pool.conv"), name="concat")


@block
def reduction(x: Tensor, unit: Unit, *branches: Branch) -> Tensor:
    """Branches and a max-pool; all of them halve the map."""
    return concat(*chains(x, unit, branches, stride=2, padding=0), max_pool(x, 3, 2), name="concat")


@block
def residual(x: Tensor, unit: Unit, branches: Branches, factor: float, activation: Function | None) -> Tensor:
    """Branches joined by a 1x1 convolution, times `factor`, added to the input."""
    y = conv(concat(*chains(x, unit, branches), name="concat"), x.channels, 1, name="project")
    y = add(x, scale(y, factor) if factor != 1 else y, name="add")
    return activation(y) if activation else y


def stem(x: Tensor, unit: Unit) -> Tensor:
    """The layers that all three networks begin with."""
    x = unit(x, 32, 3, 2, padding=0, name="stem.conv1")
    x = unit(x, 32, 3, padding=0, name="stem.conv2")
    return unit(x, 64, 3, name="stem.conv3")


def pooled_stem(x: Tensor, unit: Unit) -> Tensor:
    """The stem of v3 and Inception-ResNet v2, down to an eighth of the size."""
    x = unit(max_pool(stem(x, unit), 3, 2), 80, 1, name="stem.conv4")
    return max_pool(unit(x, 192, 3, padding=0, name="stem.conv5"), 3, 2)


@block
def auxiliary(x: Tensor, unit: Unit, classes: int) -> Tensor:
    """A classifier on a map in the middle of the network."""
    x = unit(avg_pool(x, 5, 3), 128, 1, name="conv1")
    x = unit(x, 768, 5, padding=0, name="conv2")
    return linear(mean(x), classes, name="fc")


def inception_v3(
    x: Tensor, classes: int, *, activation: str = "relu", dropout: float = 0.5, aux_heads: bool = False
) -> Heads:
    unit = unit_with(activation_of(activation))
    branches: Branches = ((64, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3))
    x = pooled_stem(x, unit)
    for i, pooled in enumerate((32, 64, 64), 1):
        x = mixed(x, unit, branches, pooled, counted, name=f"inception_a{i}")
    x = reduction(x, unit, ((384, 3),), ((64, 1), (96, 3), (96, 3)), name="reduction_a")
    for i, c in enumerate((128, 160, 160, 192), 1):
        single = (c, 1), (c, ROW), (192, COLUMN)
        double = (c, 1), (c, COLUMN), (c, ROW), (c, COLUMN), (192, ROW)
        x = mixed(x, unit, (((192, 1),), single, double), 192, counted, name=f"inception_b{i}")
    heads = {auxiliary(x, unit, classes, name="aux"): 0.4} if aux_heads else {}
    x = reduction(x, unit, ((192, 1), (320, 3)), ((192, 1), (192, ROW), (192, COLUMN), (192, 3)), name="reduction_b")
    branches = ((320, 1),), ((384, 1), (384, FORK)), ((448, 1), (384, 3), (384, FORK))
    for i in (1, 2):
        x = mixed(x, unit, branches, 192, counted, name=f"inception_c{i}")
    logits = classify(x, classes, dropout)
    return {logits: 1.0, **heads} if heads else logits


family("inception", inception_v3, {"inception_v3": ()}, paper="1512.00567", input_shape=(3, 299, 299), classes=1000)


@block
def stem_v4(x: Tensor, unit: Unit) -> Tensor:
    """Max-pools and convolutions side by side."""
    x = concat(max_pool(x, 3, 2), unit(x, 96, 3, 2, padding=0, name="conv4"), name="concat1")
    short = chain(x, unit, ((64, 1), (96, 3)), padding=0, name="branch1")
    long = chain(x, unit, ((64, 1), (64, ROW), (64, COLUMN), (96, 3)), padding=0, name="branch2")
    x = concat(short, long, name="concat2")
    return concat(unit(x, 192, 3, 2, padding=0, name="conv5"), max_pool(x, 3, 2), name="concat3")


def inception_v4(x: Tensor, classes: int, *, activation: str = "relu", dropout: float = 0.2) -> Tensor:
    unit = unit_with(activation_of(activation))
    x = stem_v4(stem(x, unit), unit, name="stem")
    branches: Branches = ((96, 1),), ((64, 1), (96, 3)), ((64, 1), (96, 3), (96, 3))
    for i in range(1, 5):
        x = mixed(x, unit, branches, 96, uncounted, name=f"inception_a{i}")
    x = reduction(x, unit, ((384, 3),), ((192, 1), (224, 3), (256, 3)), name="reduction_a")
    single: Branch = (192, 1), (224, ROW), (256, COLUMN)
    double: Branch = (192, 1), (192, COLUMN), (224, ROW), (224, COLUMN), (256, ROW)
    for i in range(1, 8):
        x = mixed(x, unit, (((384, 1),), single, double), 128, uncounted, name=f"inception_b{i}")
    x = reduction(x, unit, ((192, 1), (192, 3)), ((256, 1), (256, ROW), (320, COLUMN), (320, 3)), name="reduction_b")
    single, double = ((384, 1), (256, FORK)), ((384, 1), (448, (3, 1)), (512, (1, 3)), (256, FORK))
    for i in range(1, 4):
        x = mixed(x, unit, (((256, 1),), single, double), 256, uncounted, name=f"inception_c{i}")
    return classify(x, classes, dropout)


family("inception", inception_v4, {"inception_v4": ()}, paper="1602.07261", input_shape=(3, 299, 299), classes=1000)


def inception_resnet_v2(x: Tensor, classes: int, *, activation: str = "relu", dropout: float = 0.2) -> Tensor:
    """The last block is neither scaled nor activated."""
    act = activation_of(activation)
    unit = unit_with(act)
    branches: Branches = ((96, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3))
    x = mixed(pooled_stem(x, unit), unit, branches, 64, uncounted, name="inception_a")
    branches = ((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3))
    for i in range(1, 11):
        x = residual(x, unit, branches, 0.17, act, name=f"block35_{i}")
    x = reduction(x, unit, ((384, 3),), ((256, 1), (256, 3), (384, 3)), name="reduction_a")
    branches = ((192, 1),), ((128, 1), (160, ROW), (192, COLUMN))
    for i in range(1, 21):
        x = residual(x, unit, branches, 0.1, act, name=f"block17_{i}")
    branches = ((256, 1), (384, 3)), ((256, 1), (288, 3)), ((256, 1), (288, 3), (320, 3))
    x = reduction(x, unit, *branches, name="reduction_b")
    branches = ((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1)))
    for i in range(1, 10):
        x = residual(x, unit, branches, 0.2, act, name=f"block8_{i}")
    x = residual(x, unit, branches, 1.0, None, name="block8_10")
    return classify(unit(x, 1536, 1, name="head"), classes, dropout)


family(
    "inception",
    inception_resnet_v2,
    {"inception_resnet_v2": ()},
    paper="1602.07261",
    input_shape=(3, 299, 299),
    classes=1000,
)
