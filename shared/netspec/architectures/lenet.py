"""LeNet-5 (LeCun et al. 1998), as trained on colour images today: ReLU and max-pooling.

The paper's network has tanh-like activations, trained subsampling and a partial connection table.
"""

from netspec.functional import activation_of, conv, flatten, linear, max_pool
from netspec.registry import family
from netspec.tracer import Tensor

VARIANTS = {  # channels of the two convolutions
    "lenet5": (6, 16),
    "lenet5_wide": (16, 32),
}


def lenet(x: Tensor, classes: int, first: int, second: int, *, activation: str = "relu") -> Tensor:
    act = activation_of(activation)
    x = max_pool(act(conv(x, first, 5, padding=0, name="conv1")), 2)
    x = max_pool(act(conv(x, second, 5, padding=0, name="conv2")), 2)
    x = act(linear(flatten(x), 120, name="fc1"))
    x = act(linear(x, 84, name="fc2"))
    return linear(x, classes, name="fc3")


family("lenet", lenet, VARIANTS, paper="LeCun 1998", input_shape=(3, 32, 32), classes=10)
