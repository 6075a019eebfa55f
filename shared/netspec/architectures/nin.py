"""Network in Network for 32x32 images (Lin et al. 2014, 1312.4400).

Two 1x1 convolutions, a small network at each pixel, follow every spatial convolution. The last one has one channel per
class, and global pooling turns these into logits. ReLU follows every convolution, the last one included.
"""

from netspec.functional import Function, activation_of, conv, conv_bn, dropout as drop, global_avg_pool, max_pool
from netspec.registry import family
from netspec.tracer import Tensor, block

VARIANTS = {  # batch norm
    "nin": (False,),
    "nin_bn": (True,),
}


@block
def mlpconv(x: Tensor, channels: tuple[int, int, int], kernel: int, batch_norm: bool, activation: Function) -> Tensor:
    """A convolution and two 1x1 convolutions. They keep their biases with batch norm, as in origin 1."""
    for i, (out_channels, size) in enumerate(zip(channels, (kernel, 1, 1), strict=True), 1):
        if batch_norm:
            x = conv_bn(x, out_channels, size, activation=activation, bias=True, name=f"conv{i}")
        else:
            x = activation(conv(x, out_channels, size, name=f"conv{i}"))
    return x


def nin(x: Tensor, classes: int, batch_norm: bool, *, activation: str = "relu", dropout: float = 0.5) -> Tensor:
    act = activation_of(activation)
    x = mlpconv(x, (192, 160, 96), 5, batch_norm, act, name="block1")
    x = drop(max_pool(x, 3, 2, padding=1), dropout)
    x = mlpconv(x, (192, 192, 192), 5, batch_norm, act, name="block2")
    x = drop(max_pool(x, 3, 2, padding=1), dropout)
    x = mlpconv(x, (192, 192, classes), 3, batch_norm, act, name="block3")
    return global_avg_pool(x)


family("nin", nin, VARIANTS, paper="1312.4400", input_shape=(3, 32, 32), classes=10)
