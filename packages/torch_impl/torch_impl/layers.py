"""Modules that PyTorch does not have in the spec's exact form."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netspec.ops import Padding, Shape


def split_padding(padding: Padding, most: Shape | None = None) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """What a PyTorch op can pad by itself, `(vertical, horizontal)`, and the rest in `F.pad`'s order."""
    top, bottom, left, right = padding
    vertical, horizontal = min(top, bottom), min(left, right)
    if most:
        vertical, horizontal = min(vertical, most[0]), min(horizontal, most[1])
    return (vertical, horizontal), (left - horizontal, right - horizontal, top - vertical, bottom - vertical)


class FunctionLayer(nn.Module):
    """A function of tensors as a module, so that every node has one."""

    def __init__(self, function: Callable[..., Tensor], label: str) -> None:
        super().__init__()
        self.function = function
        self.label = label

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)

    def extra_repr(self) -> str:
        return self.label


class Conv2d(nn.Conv2d):
    """`nn.Conv2d` with the padding `(top, bottom, left, right)`."""

    def __init__(
        self,
        channels: int,
        out_channels: int,
        kernel: Any,
        stride: Any,
        padding: Padding,
        dilation: Any,
        **options: Any,
    ) -> None:
        own, self.surplus = split_padding(padding)
        super().__init__(channels, out_channels, kernel, stride, own, dilation, **options)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, self.surplus) if any(self.surplus) else input)


class _WithoutCounter(nn.Module):
    """A batch norm's state without the counter of batches, which other people's files have."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *options: Any) -> None:
        state_dict.pop(f"{prefix}num_batches_tracked", None)
        nn.Module._load_from_state_dict(self, state_dict, prefix, *options)  # nn.BatchNorm2d's requires the counter


class BatchNorm2d(_WithoutCounter, nn.BatchNorm2d):
    """`nn.BatchNorm2d` that also takes vectors. Its state is exactly the spec's, without the counter of batches."""

    def __init__(self, channels: int, **options: Any) -> None:
        super().__init__(channels, **options)
        # PyTorch's `update_bn` and `reset_running_stats` need a counter.
        self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.long), persistent=False)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 4):
            raise ValueError(f"expected (N, C) or (N, C, H, W), got {tuple(input.shape)}")


class FrozenBatchNorm2d(_WithoutCounter):
    """A batch norm that uses and keeps its statistics, in training as in evaluation.

    It is not an `nn.BatchNorm2d`: `update_bn` resets the statistics of those, and `convert_sync_batchnorm` replaces
    them by norms that train.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, epsilon: float) -> None:
        super().__init__()
        self.channels, self.epsilon = channels, epsilon
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        statistics = self.running_mean, self.running_var
        return F.batch_norm(x, *statistics, self.weight, self.bias, training=False, eps=self.epsilon)

    def extra_repr(self) -> str:
        return f"{self.channels}, epsilon={self.epsilon}"


class MaxPool2d(nn.Module):
    """Max-pooling with the padding `(top, bottom, left, right)`, filled with minus infinity."""

    def __init__(self, kernel: Shape, stride: Shape, padding: Padding) -> None:
        super().__init__()
        own, self.surplus = split_padding(padding, most=(kernel[0] // 2, kernel[1] // 2))
        self.kernel, self.stride, self.own = kernel, stride, own

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, self.surplus, value=float("-inf")) if any(self.surplus) else x
        return F.max_pool2d(x, self.kernel, self.stride, self.own)

    def extra_repr(self) -> str:
        return f"kernel={self.kernel}, stride={self.stride}, padding={self.own}, surplus={self.surplus}"


class AvgPool2d(nn.Module):
    """Average pooling. `divisors` `(H', W')` is the number of cells that count in each window."""

    divisors: Tensor

    def __init__(self, kernel: Shape, stride: Shape, padding: Padding, divisors: np.ndarray) -> None:
        super().__init__()
        self.kernel, self.stride, self.cells = kernel, stride, kernel[0] * kernel[1]
        _, self.pads = split_padding(padding, most=(0, 0))
        self.even = bool((divisors == self.cells).all())
        # Whole numbers survive a model's conversion to bfloat16 and back; shares of 25/12 would not.
        self.register_buffer("divisors", torch.from_numpy(divisors.astype(np.int64)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.avg_pool2d(F.pad(x, self.pads) if any(self.pads) else x, self.kernel, self.stride)
        return y if self.even else y * (self.cells / self.divisors.double()).to(y.dtype)

    def extra_repr(self) -> str:
        return f"kernel={self.kernel}, stride={self.stride}, pads={self.pads}"


class BlurPool2d(nn.Module):
    """Fixed [1, 2, 1] x [1, 2, 1] / 16 filter on each channel. The map is padded by reflection, one cell wide."""

    filter: Tensor

    def __init__(self, channels: int, stride: Shape) -> None:
        super().__init__()
        self.stride = stride
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("filter", torch.outer(line, line).repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(x, self.filter.to(x.dtype), stride=self.stride, groups=x.shape[1])


def hard_sigmoid(x: Tensor) -> Tensor:
    """PyTorch's own keeps the 1/6 of its gradient in float32, whatever the precision."""
    return F.relu6(x + 3) / 6


ACTIVATIONS: dict[str, Callable[[float], nn.Module]] = {
    "relu": lambda _: nn.ReLU(),
    "relu6": lambda _: nn.ReLU6(),
    "leaky_relu": nn.LeakyReLU,
    "sigmoid": lambda _: nn.Sigmoid(),
    "hard_sigmoid": lambda _: FunctionLayer(hard_sigmoid, "hard_sigmoid"),
    "silu": lambda _: nn.SiLU(),
    "hard_swish": lambda _: nn.Hardswish(),
    "mish": lambda _: nn.Mish(),
    "gelu": lambda _: nn.GELU(),
    "tanh": lambda _: nn.Tanh(),
}


def sum_of(*inputs: Tensor) -> Tensor:
    total = inputs[0]
    for x in inputs[1:]:
        total = total + x
    return total


def concat_of(*inputs: Tensor) -> Tensor:
    return torch.cat(inputs, 1)


def radix_softmax(x: Tensor, radix: int, groups: int) -> Tensor:
    """Softmax over the radixes of `(N, groups * radix * c, 1, 1)`, ordered by group; the result is ordered by radix."""
    if radix == 1:
        return torch.sigmoid(x)
    x = x.reshape(x.shape[0], groups, radix, -1).transpose(1, 2)
    return torch.softmax(x, 1).reshape(x.shape[0], -1, 1, 1)


def space_to_depth(x: Tensor, block: int) -> Tensor:
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // block, block, w // block, block)
    return x.permute(0, 3, 5, 1, 2, 4).reshape(n, c * block**2, h // block, w // block)
