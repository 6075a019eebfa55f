"""SENet for 224x224 images (Hu et al. 2018, 1709.01507): squeeze and excitation at the end of every branch.

As in timm's present code: the first max-pool is padded by one and a stride lies on the 3x3 convolution; the
authors' Caffe nets have neither. SENet-154 also has a deep stem, half the channels in the first 1x1
convolutions, and 3x3 shortcuts where the map is halved.
"""

from netspec.architectures.resnet import Parts, deep_stem, stages, stem
from netspec.functional import Pair, activation_of, classify, conv_bn, squeeze_excite
from netspec.registry import family
from netspec.tracer import Tensor

VARIANTS = {  # bottlenecks in each stage, groups, channels of a group in stage 1
    "seresnet50": ((3, 4, 6, 3), 1, 64),
    "seresnet101": ((3, 4, 23, 3), 1, 64),
    "seresnet152": ((3, 8, 36, 3), 1, 64),
    "seresnext50_32x4d": ((3, 4, 6, 3), 32, 4),
    "seresnext101_32x4d": ((3, 4, 23, 3), 32, 4),
}


def sixteenth(x: Tensor) -> Tensor:
    """Squeeze and excitation with a sixteenth of the channels in between."""
    return squeeze_excite(x, x.channels // 16, name="se")


@family(VARIANTS, paper="1709.01507", input_shape=(3, 224, 224), classes=1000)
def senet(
    x: Tensor,
    classes: int,
    depths: tuple[int, ...],
    groups: int,
    base_width: int,
    *,
    activation: str = "relu",
    stochastic_depth: float = 1.0,
    dropout: float = 0.0,
) -> Tensor:
    parts = Parts(activation_of(activation), groups, base_width, attention=sixteenth)
    x = stages(stem(x, parts.activation), depths, parts, stochastic_depth)
    return classify(x, classes, dropout)


def doubling(x: Tensor, channels: int, kernel: Pair, stride: int, **settings: object) -> Tensor:
    return conv_bn(x, 2 * channels, kernel, stride, **settings)  # type: ignore[arg-type]


def wide_projection(x: Tensor, channels: int, stride: int) -> Tensor:
    """A shortcut that sees all pixels where the map is halved."""
    if stride == 1 and x.channels == channels:
        return x
    return conv_bn(x, channels, 3 if stride > 1 else 1, stride, activation=None, name="shortcut")


@family({"senet154": ((3, 8, 36, 3),)}, paper="1709.01507", input_shape=(3, 224, 224), classes=1000)
def senet154(
    x: Tensor,
    classes: int,
    depths: tuple[int, ...],
    *,
    activation: str = "relu",
    stochastic_depth: float = 1.0,
    dropout: float = 0.2,
) -> Tensor:
    """64 groups of 4 channels in stage 1, from a 1x1 convolution onto half of them."""
    act = activation_of(activation)
    parts = Parts(act, 64, 2, spatial=doubling, attention=sixteenth, shortcut=wide_projection)
    x = stages(deep_stem(x, 64, act), depths, parts, stochastic_depth)
    return classify(x, classes, dropout)
