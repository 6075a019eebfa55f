"""Neural Architecture Transfer (Lu et al. 2021, 2005.05859): the searched subnets that were published.

They are subnets of OFA's MobileNetV3 supernet: five stages of inverted residuals. The search chose a kernel and an
expansion for each residual. The ImageNet networks use Mish everywhere. The CIFAR-10 networks use ReLU up to stage 2,
and hard swish after it and at both ends: they are `mixed`. Of the CIFAR-10 networks only M3 and M4 were published.
"""

from functools import partial

from netspec.architectures.mobilenet import Bottleneck, inverted_residual, quarter
from netspec.functional import (
    MIXED,
    activation_of,
    activation_or,
    conv,
    conv_bn,
    dropout as drop,
    flatten,
    global_avg_pool,
    identity,
    linear,
    linear_survival,
    make_divisible,
    relu,
)
from netspec.registry import Variant, family
from netspec.tracer import Tensor

STAGES = (  # channels, stride of the first block, squeeze and excitation
    (24, 2, False),
    (40, 2, True),
    (80, 2, False),
    (112, 1, True),
    (160, 2, True),
)

# (kernel, expansion) of each block, stage by stage
M1 = (
    ((3, 3), (3, 3)),
    ((3, 3), (3, 4), (3, 4)),
    ((5, 4), (5, 4), (3, 3)),
    ((5, 4), (5, 3), (5, 3)),
    ((5, 6), (5, 6), (3, 6), (3, 6)),
)
M2 = (
    ((3, 3), (3, 3)),
    ((7, 3), (3, 3)),
    ((7, 4), (7, 3), (5, 3)),
    ((3, 6), (7, 4)),
    ((7, 6), (3, 6), (3, 6), (3, 3)),
)
M3 = (
    ((5, 3), (3, 3), (3, 3)),
    ((5, 4), (3, 4), (5, 4), (3, 3)),
    ((5, 4), (5, 6), (3, 3), (3, 3)),
    ((5, 6), (7, 6), (3, 6), (5, 4)),
    ((7, 6), (3, 6), (3, 6), (3, 3)),
)
M4 = (
    ((3, 3), (5, 4), (3, 3)),
    ((5, 4), (5, 4), (3, 6), (5, 3)),
    ((7, 6), (5, 6), (3, 3), (5, 4)),
    ((3, 6), (5, 6), (7, 6), (3, 4)),
    ((3, 6), (3, 6), (5, 6), (3, 3)),
)
M3_CIFAR10 = (
    ((3, 3), (3, 3)),
    ((7, 4), (7, 6)),
    ((7, 4), (7, 4), (7, 4), (7, 3)),
    ((7, 6), (7, 4), (7, 6)),
    ((7, 3), (7, 4), (7, 6), (7, 3)),
)
M4_CIFAR10 = (
    ((7, 3), (7, 3)),
    ((7, 6), (7, 4)),
    ((7, 6), (3, 4), (7, 3), (5, 3)),
    ((7, 6), (7, 4), (7, 6), (3, 6)),
    ((7, 6), (7, 6), (7, 3), (3, 3)),
)

VARIANTS = {  # searched kernels and expansions, width
    "nat_m1": Variant(M1, 1.0, activation="mish", dropout=0.0),
    "nat_m2": Variant(M2, 1.2, activation="mish", dropout=0.0),
    "nat_m3": Variant(M3, 1.2, activation="mish", dropout=0.2),
    "nat_m4": Variant(M4, 1.2, activation="mish", image_size=240, dropout=0.2),
    "nat_m3_cifar10": Variant(M3_CIFAR10, 1.2, classes=10, dropout=0.2),
    "nat_m4_cifar10": Variant(M4_CIFAR10, 1.2, classes=10, dropout=0.2),
}


def nat(
    x: Tensor,
    classes: int,
    searched: tuple[tuple[tuple[int, int], ...], ...],
    width: float,
    *,
    activation: str = MIXED,
    stochastic_depth: float = 1.0,
    dropout: float = 0.2,
) -> Tensor:
    end = activation_or(activation, activation_of("hard_swish"))
    early, late = partial(conv_bn, activation=activation_or(activation, relu)), partial(conv_bn, activation=end)
    survivals = iter(linear_survival(stochastic_depth, 1 + sum(map(len, searched)), first=0))
    x = late(x, make_divisible(16 * width), 3, 2, name="stem")
    x = inverted_residual(x, Bottleneck(3, x.channels, x.channels, 1), early, survival=next(survivals), name="block0")
    for stage, ((channels, first_stride, se), blocks) in enumerate(zip(STAGES, searched, strict=True), 1):
        for i, (kernel, expansion) in enumerate(blocks):
            expanded = make_divisible(expansion * x.channels)
            row = Bottleneck(kernel, expanded, make_divisible(channels * width), 1 if i else first_stride)
            unit, attention = early if stage < 3 else late, quarter if se else identity
            x = inverted_residual(x, row, unit, attention, next(survivals), name=f"stage{stage}.block{i}")
    x = global_avg_pool(late(x, 6 * x.channels, 1, name="head"), keepdims=True)
    x = end(conv(x, make_divisible(1280 * width), 1, bias=False, name="fc"))
    return linear(drop(flatten(x), dropout), classes, name="classifier")


family("nat", nat, VARIANTS, paper="2005.05859", input_shape=(3, 224, 224), classes=1000)
