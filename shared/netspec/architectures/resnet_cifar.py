"""ResNet for 32x32 images (He et al. 2016, 1512.03385, section 4.2): 6n+2 layers, 16-32-64 channels.

Shortcuts have no weights (option A): where the map is halved they take every second pixel and append
channels of zeros.
"""

from netspec.functional import add, conv_bn, global_avg_pool, linear, max_pool, pad_channels, relu
from netspec.registry import family
from netspec.tracer import Tensor, block

VARIANTS = {  # basic blocks in each of the three stages
    "resnet20": (3,),
    "resnet32": (5,),
    "resnet44": (7,),
    "resnet56": (9,),
    "resnet110": (18,),
    "resnet1202": (200,),
}


@block
def basic_block(x: Tensor, channels: int, stride: int = 1) -> Tensor:
    y = conv_bn(x, channels, 3, stride, name="conv1")
    y = conv_bn(y, channels, 3, activation=None, name="conv2")
    if stride > 1:
        x = max_pool(x, 1, stride)  # a 1x1 window subsamples
    return relu(add(y, pad_channels(x, channels)))


@family(VARIANTS, paper="1512.03385", input_shape=(3, 32, 32), classes=10)
def resnet_cifar(x: Tensor, classes: int, blocks: int) -> Tensor:
    x = conv_bn(x, 16, 3, name="stem")
    for stage, channels in enumerate((16, 32, 64), 1):
        for i in range(blocks):
            stride = 2 if stage > 1 and i == 0 else 1
            x = basic_block(x, channels, stride, name=f"stage{stage}.block{i}")
    return linear(global_avg_pool(x), classes, name="classifier")
