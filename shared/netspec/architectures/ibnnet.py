"""IBN-Net (Pan et al. 2018, 1807.09441): instance norm against changes of style, batch norm beside it.

IBN-a normalises half of the channels behind the first 1x1 convolution of a block by instance, in stages 1
to 3. IBN-b does so behind the stem, and behind the sum of the last block of stages 1 and 2.
"""

from collections.abc import Callable

from netspec.architectures.resnet import Parts, stages, stem
from netspec.functional import (
    Function,
    activation_of,
    add,
    batch_norm,
    classify,
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


def ibn_a(stage: int, last: bool) -> dict[str, Callable[..., Tensor]]:
    return {"norm": half_instance_norm} if stage < 4 else {}


def ibn_b(stage: int, last: bool) -> dict[str, Callable[..., Tensor]]:
    return {"join": normalised_sum} if stage < 3 and last else {}


def instance_stem(x: Tensor, activation: Function) -> Tensor:
    x = instance_norm(conv(x, 64, 7, 2, bias=False, name="stem"), name="stem.instance_norm")
    return max_pool(activation(x), 3, 2, padding=1)


VARIANTS = {  # stem, what differs in a block, bottlenecks in each stage, groups, channels of a group in stage 1
    "resnet50_ibn_a": (stem, ibn_a, (3, 4, 6, 3), 1, 64),
    "resnet50_ibn_b": (instance_stem, ibn_b, (3, 4, 6, 3), 1, 64),
    "resnet101_ibn_a": (stem, ibn_a, (3, 4, 23, 3), 1, 64),
    "resnext101_32x4d_ibn_a": (stem, ibn_a, (3, 4, 23, 3), 32, 4),
}


@family(VARIANTS, paper="1807.09441", input_shape=(3, 224, 224), classes=1000)
def ibnnet(
    x: Tensor,
    classes: int,
    stem: Callable[[Tensor, Function], Tensor],
    changes: Callable[[int, bool], dict[str, Callable[..., Tensor]]],
    depths: tuple[int, ...],
    groups: int,
    base_width: int,
    *,
    activation: str = "relu",
    stochastic_depth: float = 1.0,
    dropout: float = 0.0,
) -> Tensor:
    act = activation_of(activation)

    def parts(stage: int, last: bool) -> Parts:
        return Parts(act, groups, base_width, **changes(stage, last))  # type: ignore[arg-type]

    return classify(stages(stem(x, act), depths, parts, stochastic_depth), classes, dropout)
