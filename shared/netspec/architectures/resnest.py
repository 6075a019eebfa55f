"""ResNeSt (Zhang et al. 2020, 2004.08955): split attention in place of a bottleneck's 3x3 convolution.

It also has ResNet-D's refinements: a deep stem, shortcuts that average before their 1x1 convolution, and a 3x3 average
pool that applies the stride. That pool comes after the split attention, or in the fast form before it.
"""

from functools import partial

from netspec.architectures.resnet import Parts, average_projection, deep_stem, resnet
from netspec.functional import (
    Function,
    add,
    avg_pool,
    conv,
    conv_bn,
    global_avg_pool,
    make_divisible,
    mul,
    radix_softmax,
    slice_channels,
)
from netspec.registry import Variant, family
from netspec.tracer import Tensor, block

RADIX = 2


@block
def split_attention(x: Tensor, channels: int, groups: int, activation: Function) -> Tensor:
    """`RADIX` splits of a 3x3 convolution, summed with channel weights computed from the mean of their sum."""
    y = conv_bn(x, RADIX * channels, 3, groups=RADIX * groups, activation=activation, name="conv")
    splits = [slice_channels(y, r * channels, (r + 1) * channels, name=f"split{r}") for r in range(RADIX)]
    hidden = make_divisible(RADIX * channels / 4, least=32)
    gap = global_avg_pool(add(*splits, name="sum"), keepdims=True, name="mean")
    gap = conv_bn(gap, hidden, 1, groups=groups, bias=True, activation=activation, name="fc1")
    weights = radix_softmax(conv(gap, RADIX * channels, 1, groups=groups, name="fc2"), RADIX, groups)
    weighted = [
        mul(split, slice_channels(weights, r * channels, (r + 1) * channels, name=f"weight{r}"))
        for r, split in enumerate(splits)
    ]
    return add(*weighted, name="weighted_sum")


def pooled_behind(
    x: Tensor, channels: int, kernel: int, stride: int, *, groups: int, activation: Function, name: str
) -> Tensor:
    y = split_attention(x, channels, groups, activation, name=name)
    return avg_pool(y, kernel, stride, padding=1) if stride > 1 else y


def pooled_before(
    x: Tensor, channels: int, kernel: int, stride: int, *, groups: int, activation: Function, name: str
) -> Tensor:
    x = avg_pool(x, kernel, stride, padding=1) if stride > 1 else x
    return split_attention(x, channels, groups, activation, name=name)


BEHIND = Parts(spatial=pooled_behind, shortcut=average_projection)
BEFORE = Parts(spatial=pooled_before, shortcut=average_projection)
NARROW, WIDE = (partial(deep_stem, channels=channels) for channels in (32, 64))

VARIANTS = {  # bottlenecks in each stage, position of their average pool, stem
    "resnest14d": Variant((1, 1, 1, 1), BEHIND, NARROW),
    "resnest26d": Variant((2, 2, 2, 2), BEHIND, NARROW),
    "resnest50d": Variant((3, 4, 6, 3), BEHIND, NARROW),
    "resnest101e": Variant((3, 4, 23, 3), BEHIND, WIDE, image_size=256),
    "resnest200e": Variant((3, 24, 36, 3), BEHIND, WIDE, image_size=320),
    "resnest269e": Variant((3, 30, 48, 8), BEHIND, WIDE, image_size=416),
    "resnest50_fast_2s1x64d": Variant((3, 4, 6, 3), BEFORE, NARROW),
}

family("resnest", resnet, VARIANTS, paper="2004.08955", input_shape=(3, 224, 224), classes=1000)
