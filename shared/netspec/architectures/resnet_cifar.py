"""ResNet for 32x32 images (He et al. 2016, 1512.03385, section 4.2): 6n+2 layers, 16-32-64 channels.

Shortcuts have no weights (option A): they take every second pixel where the map is halved, and append channels of
zeros.
"""

from netspec.architectures.resnet import Parts, basic_block, resnet
from netspec.functional import Function, conv_bn, max_pool, pad_channels
from netspec.registry import family
from netspec.tracer import Tensor


def stem(x: Tensor, activation: Function) -> Tensor:
    return conv_bn(x, 16, 3, activation=activation, name="stem")


def option_a(x: Tensor, channels: int, stride: int) -> Tensor:
    if stride > 1:
        x = max_pool(x, 1, stride)  # a 1x1 window subsamples
    return pad_channels(x, channels)


BLOCKS = {  # in each of the three stages
    "resnet20": 3,
    "resnet32": 5,
    "resnet44": 7,
    "resnet56": 9,
    "resnet110": 18,
    "resnet1202": 200,
}
VARIANTS = {name: ((n,) * 3, Parts(shortcut=option_a), stem, basic_block, 16) for name, n in BLOCKS.items()}

family("resnet_cifar", resnet, VARIANTS, paper="1512.03385", input_shape=(3, 32, 32), classes=10)
