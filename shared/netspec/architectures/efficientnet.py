"""EfficientNet (Tan & Le 2019, 1905.11946), as in torchvision: one network at eight sizes.

The blocks are MobileNet's inverted residuals with SiLU. The hidden layer of squeeze and excitation has a quarter of the
channels of the block's input. Width, depth and image size grow together. Stochastic depth and dropout are the paper's;
the rule for stochastic depth begins at 0, as in the authors' code.
"""

from functools import partial
from math import ceil

from netspec.architectures.mobilenet import Bottleneck, inverted_residual
from netspec.functional import (
    activation_of,
    batch_norm,
    classify,
    conv_bn,
    linear_survival,
    make_divisible,
    squeeze_excite,
)
from netspec.registry import Variant, family
from netspec.tracer import Tensor

STAGES = (  # expansion, kernel, channels, blocks, stride of the first
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)

SMALL, LARGE = (1e-5, 0.1), (1e-3, 0.01)  # epsilon and fraction of batch norm

VARIANTS = {  # width, depth, batch norm
    "efficientnet_b0": Variant(1.0, 1.0, SMALL, image_size=224, dropout=0.2),
    "efficientnet_b1": Variant(1.0, 1.1, SMALL, image_size=240, dropout=0.2),
    "efficientnet_b2": Variant(1.1, 1.2, SMALL, image_size=260, dropout=0.3),
    "efficientnet_b3": Variant(1.2, 1.4, SMALL, image_size=300, dropout=0.3),
    "efficientnet_b4": Variant(1.4, 1.8, SMALL, image_size=380, dropout=0.4),
    "efficientnet_b5": Variant(1.6, 2.2, LARGE, image_size=456, dropout=0.4),
    "efficientnet_b6": Variant(1.8, 2.6, LARGE, image_size=528, dropout=0.5),
    "efficientnet_b7": Variant(2.0, 3.1, LARGE, image_size=600, dropout=0.5),
}


def efficientnet(
    x: Tensor,
    classes: int,
    width: float,
    depth: float,
    batch_norms: tuple[float, float],
    *,
    activation: str = "silu",
    stochastic_depth: float = 0.8,
    dropout: float = 0.2,
) -> Tensor:
    act = activation_of(activation)
    epsilon, fraction = batch_norms
    unit = partial(conv_bn, norm=partial(batch_norm, epsilon=epsilon, fraction=fraction), activation=act)
    depths = [ceil(blocks * depth) for _, _, _, blocks, _ in STAGES]
    survivals = iter(linear_survival(stochastic_depth, sum(depths), first=0))
    x = unit(x, make_divisible(32 * width), 3, 2, name="stem")
    for stage, (expansion, kernel, channels, _, first_stride) in enumerate(STAGES, 1):
        for i in range(depths[stage - 1]):
            row = Bottleneck(kernel, expansion * x.channels, make_divisible(channels * width), 1 if i else first_stride)
            attention = partial(squeeze_excite, hidden=x.channels // 4, activation=act, name="se")
            x = inverted_residual(x, row, unit, attention, next(survivals), name=f"stage{stage}.block{i}")
    x = unit(x, 4 * x.channels, 1, name="head")
    return classify(x, classes, dropout)


family("efficientnet", efficientnet, VARIANTS, paper="1905.11946", input_shape=(3, 224, 224), classes=1000)
