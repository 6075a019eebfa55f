"""Xception (Chollet 2017, 1610.02357): separable convolutions, a 3x3 in each channel and then a 1x1.

One batch norm follows the pair, with no ReLU between the two. As in timm, paddings are symmetric and epsilon is 1e-5;
Keras pads like TensorFlow's "same".
"""

from netspec.functional import (
    Function,
    activation_of,
    add,
    batch_norm,
    classify,
    conv,
    conv_bn,
    max_pool,
)
from netspec.registry import family
from netspec.tracer import Tensor, block

ENTRY = (128, 256, 728)  # channels of the blocks that halve the map
MIDDLE = 8  # blocks of three separable convolutions


def separable_conv(x: Tensor, channels: int, name: str) -> Tensor:
    x = conv(x, x.channels, 3, groups=x.channels, bias=False, name=f"{name}.depthwise")
    return batch_norm(conv(x, channels, 1, bias=False, name=f"{name}.pointwise"), name=f"{name}.bn")


@block
def xception_block(
    x: Tensor, channels: tuple[int, ...], stride: int, activation: Function, activated: bool = True
) -> Tensor:
    """A separable convolution to each of `channels`, with an activation before each.

    Without `activated`, the first has none before it.
    """
    y = x
    for i, width in enumerate(channels, 1):
        y = activation(y) if activated or i > 1 else y
        y = separable_conv(y, width, name=f"conv{i}")
    if stride > 1:
        y = max_pool(y, 3, stride, padding=1)
        x = conv_bn(x, y.channels, 1, stride, activation=None, name="shortcut")
    return add(y, x)


def xception(x: Tensor, classes: int, *, activation: str = "relu", dropout: float = 0.0) -> Tensor:
    act = activation_of(activation)
    x = conv_bn(x, 32, 3, 2, padding=0, activation=act, name="stem.conv1")
    x = conv_bn(x, 64, 3, padding=0, activation=act, name="stem.conv2")
    for i, width in enumerate(ENTRY, 1):
        x = xception_block(x, (width, width), 2, act, activated=i > 1, name=f"entry{i}")
    for i in range(1, MIDDLE + 1):
        x = xception_block(x, (728, 728, 728), 1, act, name=f"middle{i}")
    x = xception_block(x, (728, 1024), 2, act, name="exit")
    x = act(separable_conv(x, 1536, name="head.conv1"))
    x = act(separable_conv(x, 2048, name="head.conv2"))
    return classify(x, classes, dropout)


family("xception", xception, {"xception": ()}, paper="1610.02357", input_shape=(3, 299, 299), classes=1000)
