"""Wide ResNet for 32x32 images (Zagoruyko & Komodakis 2016, 1605.07146): `wrn28_10` is 28 layers, 10 times as wide.

Pre-activated basic blocks with 16, 32 and 64 channels times the width. Optional dropout is between the two convolutions
of a block.
"""

from functools import partial

from netspec.architectures.preresnet_cifar import ConvLayer, preactivated, stages
from netspec.functional import activation_of, classify, conv, identity, norm_act, patch_up
from netspec.registry import family
from netspec.tracer import Tensor

VARIANTS = {  # depth, width
    "wrn16_8": (16, 8),
    "wrn28_10": (28, 10),
    "wrn40_8": (40, 8),
}


def wide_resnet(
    x: Tensor,
    classes: int,
    depth: int,
    width: int,
    *,
    activation: str = "relu",
    stochastic_depth: float = 1.0,
    dropout: float = 0.0,
    patchup: bool = False,
) -> Tensor:
    act = activation_of(activation)

    def branch(channels: int, stride: int) -> tuple[ConvLayer, ...]:
        return ConvLayer(channels, 3, stride), ConvLayer(channels, 3, dropout=dropout)

    mix = patch_up if patchup else identity
    x = mix(conv(mix(x), 16, 3, bias=False, name="stem"))
    depths = ((depth - 4) // 6,) * 3
    x = stages(x, branch, 16 * width, depths, partial(preactivated, activation=act), stochastic_depth, mix)
    return classify(norm_act(x, act, name="norm"), classes)


family("wide_resnet", wide_resnet, VARIANTS, paper="1605.07146", input_shape=(3, 32, 32), classes=10)
