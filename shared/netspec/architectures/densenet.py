"""DenseNet for 224x224 images (Huang et al. 2017, 1608.06993): the BC form in four blocks, after ResNet's stem."""

from netspec.architectures.densenet_cifar import dense_blocks
from netspec.functional import activation_of, classify, conv_bn, max_pool
from netspec.registry import family
from netspec.tracer import Tensor

VARIANTS = {  # layers in each block, growth rate
    "densenet121": ((6, 12, 24, 16), 32),
    "densenet169": ((6, 12, 32, 32), 32),
    "densenet201": ((6, 12, 48, 32), 32),
    "densenet161": ((6, 12, 36, 24), 48),
}


def densenet(
    x: Tensor,
    classes: int,
    depths: tuple[int, ...],
    growth_rate: int,
    *,
    activation: str = "relu",
    dropout: float = 0.0,
) -> Tensor:
    act = activation_of(activation)
    x = max_pool(conv_bn(x, 2 * growth_rate, 7, 2, activation=act, name="stem"), 3, 2, padding=1)
    return classify(dense_blocks(x, depths, growth_rate, True, act, dropout), classes)


family("densenet", densenet, VARIANTS, paper="1608.06993", input_shape=(3, 224, 224), classes=1000)
