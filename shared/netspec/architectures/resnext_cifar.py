"""ResNeXt-29 for 32x32 images (Xie et al. 2017, 1611.05431, section 5.3), and with squeeze and excitation.

ResNeXt's bottleneck in three stages of three, without a max-pool in front of them.
"""

from netspec.architectures.resnet import Parts, stages
from netspec.architectures.senet import sixteenth
from netspec.functional import Function, activation_of, classify, conv_bn, identity
from netspec.registry import family
from netspec.tracer import Tensor

VARIANTS = {  # groups, channels of a group in stage 1
    "resnext29_4x64d": (4, 64),
    "resnext29_8x64d": (8, 64),
    "resnext29_16x64d": (16, 64),
    "resnext29_32x4d": (32, 4),
}


@family({"seresnext29_4x64d": (4, 64, sixteenth)}, paper="1709.01507", input_shape=(3, 32, 32), classes=10)
@family(VARIANTS, paper="1611.05431", input_shape=(3, 32, 32), classes=10)
def resnext_cifar(
    x: Tensor,
    classes: int,
    groups: int,
    base_width: int,
    attention: Function = identity,
    *,
    activation: str = "relu",
    stochastic_depth: float = 1.0,
    dropout: float = 0.0,
) -> Tensor:
    parts = Parts(activation_of(activation), groups, base_width, attention=attention)
    x = conv_bn(x, 64, 3, activation=parts.activation, name="stem")
    x = stages(x, (3, 3, 3), parts, stochastic_depth)
    return classify(x, classes, dropout)
