"""IBN-Net (Pan et al. 2018, 1807.09441): instance norm against changes of style, combined with batch norm.

IBN-a applies instance norm to half of the channels after the first 1x1 convolution of a block, in stages 1 to 3. IBN-b
applies it to all channels after the stem, and after the sum of the last block of stages 1 and 2.
"""

from functools import partial

from netspec.architectures.resnet import Parts, resnet
from netspec.functional import (
    Function,
    add,
    batch_norm,
    concat,
    conv,
    instance_norm,
    max_pool,
    slice_channels,
)
from netspec.registry import family
from netspec.tracer import Tensor, block


@block
def half_instance_norm(x: Tensor) -> Tensor:
    """Instance norm on the first half of the channels, batch norm on the second."""
    half = x.channels // 2
    first = instance_norm(slice_channels(x, 0, half, name="first"), name="instance")
    second = batch_norm(slice_channels(x, half, x.channels, name="second"), name="batch")
    return concat(first, second)


def normalised_sum(x: Tensor, y: Tensor) -> Tensor:
    return instance_norm(add(x, y), name="instance_norm")


def ibn_a(stage: int, last: bool, groups: int = 1, base_width: int = 64) -> Parts:
    return Parts(groups=groups, base_width=base_width, norm=half_instance_norm if stage < 4 else batch_norm)


def ibn_b(stage: int, last: bool) -> Parts:
    return Parts(join=normalised_sum if stage < 3 and last else add)


def instance_stem(x: Tensor, activation: Function) -> Tensor:
    x = instance_norm(conv(x, 64, 7, 2, bias=False, name="stem"), name="stem.instance_norm")
    return max_pool(activation(x), 3, 2, padding=1)


VARIANTS = {  # bottlenecks in each stage, their parts, stem
    "resnet50_ibn_a": ((3, 4, 6, 3), ibn_a),
    "resnet50_ibn_b": ((3, 4, 6, 3), ibn_b, instance_stem),
    "resnet101_ibn_a": ((3, 4, 23, 3), ibn_a),
    "resnext101_32x4d_ibn_a": ((3, 4, 23, 3), partial(ibn_a, groups=32, base_width=4)),
}

family("ibnnet", resnet, VARIANTS, paper="1807.09441", input_shape=(3, 224, 224), classes=1000)
