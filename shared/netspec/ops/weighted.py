"""Ops with kernels: convolution and dense layer."""

from dataclasses import dataclass

from diptych.errors import ShapeError
from netspec.ops.base import Op, Padding, Param, Shape, need_map, need_positive, need_vector, windows


@dataclass(frozen=True)
class Conv(Op):
    """Cross-correlation, as every framework computes it.

    `y[o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] * x[g(o) + c, i*sh + u*dh - top, j*sw + v*dw - left]`
    with zeros outside the map; `g(o)` is the first input channel of the group of `o`. Stride and dilation cannot be
    combined: TensorFlow has no convolution with both.
    """

    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    bias: bool = True

    def shape(self, *inputs: Shape) -> Shape:
        channels, _, _ = need_map(self, inputs[0])
        need_positive(self, "out_channels", "groups")
        if channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(f"{self.groups} groups do not divide {channels} and {self.out_channels} channels")
        if max(self.stride) > 1 and max(self.dilation) > 1:
            raise ShapeError(f"conv takes a stride or a dilation, not {self.stride} and {self.dilation} together")
        return (
            self.out_channels,
            *windows(self, inputs[0], self.kernel, self.stride, self.padding, self.dilation),
        )

    def params(self, *inputs: Shape) -> tuple[Param, ...]:
        weight = Param("weight", (self.out_channels, inputs[0][0] // self.groups, *self.kernel), "kernel")
        return (weight, Param("bias", (self.out_channels,), "bias")) if self.bias else (weight,)

    def macs(self, *inputs: Shape) -> int:
        out_channels, height, width = self.shape(*inputs)
        return out_channels * height * width * (inputs[0][0] // self.groups) * self.kernel[0] * self.kernel[1]


@dataclass(frozen=True)
class Linear(Op):
    """Dense layer on a vector: `y = weight @ x + bias`, `weight` of shape `(out_features, C)`."""

    out_features: int
    bias: bool = True

    def shape(self, *inputs: Shape) -> Shape:
        need_vector(self, inputs[0])
        need_positive(self, "out_features")
        return (self.out_features,)

    def params(self, *inputs: Shape) -> tuple[Param, ...]:
        weight = Param("weight", (self.out_features, inputs[0][0]), "kernel")
        return (weight, Param("bias", (self.out_features,), "bias")) if self.bias else (weight,)

    def macs(self, *inputs: Shape) -> int:
        return self.out_features * inputs[0][0]
