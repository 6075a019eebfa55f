"""ResNeXt for 224x224 images (Xie et al. 2017, 1611.05431).

ResNet's bottleneck with a wider 3x3 convolution in groups: `32x4d` is 32 groups of 4 channels in stage 1.
"""

from netspec.architectures.resnet import Parts, stages, stem
from netspec.functional import activation_of, classify
from netspec.registry import family
from netspec.tracer import Tensor

VARIANTS = {  # bottlenecks in each stage, groups, channels of a group in stage 1
    "resnext50_32x4d": ((3, 4, 6, 3), 32, 4),
    "resnext101_32x4d": ((3, 4, 23, 3), 32, 4),
    "resnext101_32x8d": ((3, 4, 23, 3), 32, 8),
}


@family(VARIANTS, paper="1611.05431", input_shape=(3, 224, 224), classes=1000)
def resnext(
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
    parts = Parts(activation_of(activation), groups, base_width)
    x = stages(stem(x, parts.activation), depths, parts, stochastic_depth)
    return classify(x, classes, dropout)
