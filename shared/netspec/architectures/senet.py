"""SENet for 224x224 images (Hu et al. 2018, 1709.01507): squeeze and excitation at the end of every branch.

As in timm's present code, the first max-pool is padded by one and the 3x3 convolution applies the stride; the authors'
Caffe networks do neither. Squeeze and excitation uses ReLU whatever the `activation` of the blocks. SENet-154 also has
a deep stem, half the channels in the first 1x1 convolutions, and 3x3 shortcuts where the map is halved.
"""

from functools import partial

from netspec.architectures.resnet import Parts, deep_stem, resnet
from netspec.functional import Pair, conv_bn, make_divisible, squeeze_excite
from netspec.registry import Variant, family
from netspec.tracer import Tensor


def sixteenth(x: Tensor) -> Tensor:
    """Squeeze and excitation with a sixteenth of the channels in between, in steps of 8."""
    return squeeze_excite(x, make_divisible(x.channels / 16), name="se")


def doubling(x: Tensor, channels: int, kernel: Pair, stride: int, **settings: object) -> Tensor:
    return conv_bn(x, 2 * channels, kernel, stride, **settings)  # type: ignore[arg-type]


def wide_projection(x: Tensor, channels: int, stride: int) -> Tensor:
    """A shortcut that reads all pixels where the map is halved."""
    if stride == 1 and x.channels == channels:
        return x
    return conv_bn(x, channels, 3 if stride > 1 else 1, stride, activation=None, name="shortcut")


RESNET = Parts(attention=sixteenth)
RESNEXT = Parts(groups=32, base_width=4, attention=sixteenth)
SENET = Parts(  # 64 groups of 4 channels in stage 1, after a 1x1 convolution to half as many channels
    groups=64, base_width=2, spatial=doubling, attention=sixteenth, shortcut=wide_projection
)

VARIANTS = {  # bottlenecks in each stage, their parts, stem
    "seresnet50": Variant((3, 4, 6, 3), RESNET),
    "seresnet101": Variant((3, 4, 23, 3), RESNET),
    "seresnet152": Variant((3, 8, 36, 3), RESNET),
    "seresnext50_32x4d": Variant((3, 4, 6, 3), RESNEXT),
    "seresnext101_32x4d": Variant((3, 4, 23, 3), RESNEXT),
    "senet154": Variant((3, 8, 36, 3), SENET, partial(deep_stem, channels=64), dropout=0.2),
}

family("senet", resnet, VARIANTS, paper="1709.01507", input_shape=(3, 224, 224), classes=1000)
