"""Neural Architecture Transfer (Lu et al. 2021, 2005.05859): the searched subnets that were published.

Subnets of OFA's MobileNetV3 supernet: five stages of inverted residuals, for each of which the search chose
a kernel and an expansion. The ImageNet nets are activated by Mish alone; the CIFAR-10 ones by ReLU as far as
stage 2 and by hard swish behind it and at both ends. Of the CIFAR-10 nets only M3 and M4 were published.
"""

from functools import partial

from netspec.architectures.mobilenet import Row, inverted_residual, quarter
from netspec.functional import (
    activation_of,
    conv,
    conv_bn,
    dropout as drop,
    flatten,
    global_avg_pool,
    identity,
    linear,
    linear_survival,
    make_divisible,
)
from netspec.registry import family
from netspec.tracer import Tensor

STAGES = (  # channels, stride of the first block, squeeze and excitation
    (24, 2, False),
    (40, 2, True),
    (80, 2, False),
    (112, 1, True),
    (160, 2, True),
)

MISH = ("mish", "mish")
RELU_HARD_SWISH = ("relu", "hard_swish")

SEARCHED = {  # (kernel, expansion) of each block, stage by stage
    "nat_m1": (
        ((3, 3), (3, 3)),
        ((3, 3), (3, 4), (3, 4)),
        ((5, 4), (5, 4), (3, 3)),
        ((5, 4), (5, 3), (5, 3)),
        ((5, 6), (5, 6), (3, 6), (3, 6)),
    ),
    "nat_m2": (
        ((3, 3), (3, 3)),
        ((7, 3), (3, 3)),
        ((7, 4), (7, 3), (5, 3)),
        ((3, 6), (7, 4)),
        ((7, 6), (3, 6), (3, 6), (3, 3)),
    ),
    "nat_m3": (
        ((5, 3), (3, 3), (3, 3)),
        ((5, 4), (3, 4), (5, 4), (3, 3)),
        ((5, 4), (5, 6), (3, 3), (3, 3)),
        ((5, 6), (7, 6), (3, 6), (5, 4)),
        ((7, 6), (3, 6), (3, 6), (3, 3)),
    ),
    "nat_m4": (
        ((3, 3), (5, 4), (3, 3)),
        ((5, 4), (5, 4), (3, 6), (5, 3)),
        ((7, 6), (5, 6), (3, 3), (5, 4)),
        ((3, 6), (5, 6), (7, 6), (3, 4)),
        ((3, 6), (3, 6), (5, 6), (3, 3)),
    ),
    "nat_m3_cifar10": (
        ((3, 3), (3, 3)),
        ((7, 4), (7, 6)),
        ((7, 4), (7, 4), (7, 4), (7, 3)),
        ((7, 6), (7, 4), (7, 6)),
        ((7, 3), (7, 4), (7, 6), (7, 3)),
    ),
    "nat_m4_cifar10": (
        ((7, 3), (7, 3)),
        ((7, 6), (7, 4)),
        ((7, 6), (3, 4), (7, 3), (5, 3)),
        ((7, 6), (7, 4), (7, 6), (3, 6)),
        ((7, 6), (7, 6), (7, 3), (3, 3)),
    ),
}

VARIANTS = {  # width, activations, image size, classes, dropout
    "nat_m1": (1.0, MISH, 224, 1000, 0.0),
    "nat_m2": (1.2, MISH, 224, 1000, 0.0),
    "nat_m3": (1.2, MISH, 224, 1000, 0.2),
    "nat_m4": (1.2, MISH, 240, 1000, 0.2),
    "nat_m3_cifar10": (1.2, RELU_HARD_SWISH, 224, 10, 0.2),
    "nat_m4_cifar10": (1.2, RELU_HARD_SWISH, 224, 10, 0.2),
}


def nat(
    x: Tensor,
    classes: int,
    searched: tuple[tuple[tuple[int, int], ...], ...],
    width: float,
    activations: tuple[str, str],
    *,
    stochastic_depth: float = 1.0,
    dropout: float = 0.2,
) -> Tensor:
    early, late = (partial(conv_bn, activation=activation_of(fn)) for fn in activations)
    survivals = iter(linear_survival(stochastic_depth, 1 + sum(map(len, searched)), first=0))
    x = late(x, make_divisible(16 * width), 3, 2, name="stem")
    x = inverted_residual(x, Row(3, x.channels, x.channels, 1), early, survival=next(survivals), name="block0")
    for stage, ((channels, first_stride, se), blocks) in enumerate(zip(STAGES, searched, strict=True), 1):
        for i, (kernel, expansion) in enumerate(blocks):
            expanded = make_divisible(expansion * x.channels)
            row = Row(kernel, expanded, make_divisible(channels * width), 1 if i else first_stride)
            unit, attention = early if stage < 3 else late, quarter if se else identity
            x = inverted_residual(x, row, unit, attention, next(survivals), name=f"stage{stage}.block{i}")
    x = global_avg_pool(late(x, 6 * x.channels, 1, name="head"), keepdims=True)
    x = activation_of(activations[1])(conv(x, make_divisible(1280 * width), 1, bias=False, name="fc"))
    return linear(drop(flatten(x), dropout), classes, name="classifier")


for name, (width, activations, size, classes, dropout) in VARIANTS.items():
    arguments = SEARCHED[name], width, activations
    register = family(
        {name: arguments}, paper="2005.05859", input_shape=(3, size, size), classes=classes, dropout=dropout
    )
    register(nat)
