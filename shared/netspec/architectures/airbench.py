"""The networks of airbench (Jordan 2024, 2404.00498): fast to 94 and 96 % on CIFAR-10.

A 2x2 convolution without padding, which a recipe may whiten, and three groups of 3x3 convolutions. As in the author's
code (KellerJordan/cifar10-airbench, `legacy/`), a max-pool halves the map between the first convolution of a group and
its batch norm, and the logits are divided by 9. Nothing but the first convolution and the norms has a bias. The code
keeps the norms' gammas at 1 and trains the first convolution's bias for three epochs only: that is the recipe's part.
"""

from functools import partial

from netspec.functional import (
    Function,
    Unit,
    activation_of,
    add,
    batch_norm,
    conv,
    conv_bn,
    flatten,
    linear,
    max_pool,
    scale,
)
from netspec.registry import family
from netspec.tracer import Tensor, block


def halved(x: Tensor, channels: int, activation: Function, norm: Unit) -> Tensor:
    """A convolution, a max-pool that halves the map, batch norm and activation."""
    x = max_pool(conv(x, channels, 3, bias=False, name="conv1"), 2)
    return activation(norm(x, name="conv1.bn"))


@block
def group(x: Tensor, channels: int, activation: Function, norm: Unit) -> Tensor:
    """Two convolutions."""
    x = halved(x, channels, activation, norm)
    return conv_bn(x, channels, 3, norm=norm, activation=activation, name="conv2")


@block
def residual_group(x: Tensor, channels: int, activation: Function, norm: Unit) -> Tensor:
    """Three convolutions; a shortcut leads past the last two."""
    x = halved(x, channels, activation, norm)
    y = conv_bn(x, channels, 3, norm=norm, activation=activation, name="conv2")
    y = conv_bn(y, channels, 3, norm=norm, activation=None, name="conv3")
    return activation(add(y, x))


VARIANTS = {  # group, channels of the three groups, batch norm's fraction of the new batch
    "airbench94": (group, (64, 256, 256), 0.4),
    "airbench96": (residual_group, (128, 384, 512), 0.1),
}


def airbench(
    x: Tensor,
    classes: int,
    unit: Unit,
    channels: tuple[int, ...],
    fraction: float,
    *,
    activation: str = "gelu",
    logit_scale: float = 1 / 9,
) -> Tensor:
    """The first convolution has two filters for each value of a 2x2 patch: a direction and its negative.

    The author's version for Muon has a `logit_scale` of 1/256.
    """
    act = activation_of(activation)
    norm = partial(batch_norm, epsilon=1e-12, fraction=fraction)
    x = act(conv(x, 2 * 4 * x.channels, 2, padding=0, name="stem"))
    for i, width in enumerate(channels, 1):
        x = unit(x, width, act, norm, name=f"group{i}")
    x = linear(flatten(max_pool(x, 3)), classes, bias=False, name="classifier")
    return scale(x, logit_scale)


family("airbench", airbench, VARIANTS, paper="2404.00498", input_shape=(3, 32, 32), classes=10)
