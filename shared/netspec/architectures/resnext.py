"""ResNeXt for 224x224 images (Xie et al. 2017, 1611.05431).

ResNet's bottleneck with a wider, grouped 3x3 convolution: `32x4d` means 32 groups of 4 channels in stage 1.
"""

from netspec.architectures.resnet import Parts, resnet
from netspec.registry import family

VARIANTS = {  # bottlenecks in each stage, their parts
    "resnext50_32x4d": ((3, 4, 6, 3), Parts(groups=32, base_width=4)),
    "resnext101_32x4d": ((3, 4, 23, 3), Parts(groups=32, base_width=4)),
    "resnext101_32x8d": ((3, 4, 23, 3), Parts(groups=32, base_width=8)),
}

family("resnext", resnet, VARIANTS, paper="1611.05431", input_shape=(3, 224, 224), classes=1000)
