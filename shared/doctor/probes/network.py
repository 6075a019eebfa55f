"""The small network of the probes."""

from netspec import Graph, functional as f, trace
from netspec.tracer import Tensor

CLASSES = 4


def small() -> Graph:
    """A convolution with its norm, and a linear layer, for images of 16 pixels."""

    def network(image: Tensor) -> Tensor:
        x = f.conv_bn(image, 8, 3, activation=f.relu, name="stem")
        return f.linear(f.global_avg_pool(x), CLASSES, name="head")

    return trace("doctor", (3, 16, 16), network)
