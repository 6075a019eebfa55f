"""ResNeXt-29 for 32x32 images (Xie et al. 2017, 1611.05431, section 5.3), and with squeeze and excitation.

Three stages of three ResNeXt bottlenecks, without a max-pool before them.
"""

from netspec.architectures.resnet import Parts, resnet
from netspec.architectures.senet import sixteenth
from netspec.functional import Function, conv_bn
from netspec.registry import family
from netspec.tracer import Tensor


def stem(x: Tensor, activation: Function) -> Tensor:
    return conv_bn(x, 64, 3, activation=activation, name="stem")


DEPTHS = (3, 3, 3)
RESNEXTS = {  # depths, parts of the bottlenecks, stem
    "resnext29_4x64d": (DEPTHS, Parts(groups=4, base_width=64), stem),
    "resnext29_8x64d": (DEPTHS, Parts(groups=8, base_width=64), stem),
    "resnext29_16x64d": (DEPTHS, Parts(groups=16, base_width=64), stem),
    "resnext29_32x4d": (DEPTHS, Parts(groups=32, base_width=4), stem),
}
SENETS = {
    "seresnext29_4x64d": (DEPTHS, Parts(groups=4, base_width=64, attention=sixteenth), stem),
}

family("resnext_cifar", resnet, RESNEXTS, paper="1611.05431", input_shape=(3, 32, 32), classes=10)
family("resnext_cifar", resnet, SENETS, paper="1709.01507", input_shape=(3, 32, 32), classes=10)
