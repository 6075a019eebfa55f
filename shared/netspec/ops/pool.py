"""Pooling ops."""

from dataclasses import dataclass

import numpy as np

from diptych.errors import ShapeError
from netspec.ops.base import Op, Padding, Shape, need_map, windows


@dataclass(frozen=True)
class MaxPool(Op):
    """Largest value of each window; padding counts as minus infinity. A 1x1 kernel with a stride subsamples."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = (0, 0, 0, 0)

    def shape(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], *_pooled(self, inputs[0], self.padding))


@dataclass(frozen=True)
class AvgPool(Op):
    """Sum of each window divided by the number of its cells that count.

    `padding` cells are zeros and count if `count_include_pad`. `overhang` cells, which ceil mode adds below and to the
    right, never count: PyTorch leaves them out of the divisor in either case.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = (0, 0, 0, 0)
    overhang: Padding = (0, 0, 0, 0)
    count_include_pad: bool = True

    @property
    def total_padding(self) -> Padding:
        top, bottom, left, right = (a + b for a, b in zip(self.padding, self.overhang, strict=True))
        return top, bottom, left, right

    def shape(self, *inputs: Shape) -> Shape:
        if min(*self.padding, *self.overhang) < 0:
            raise ShapeError(f"padding {self.padding} and overhang {self.overhang} must not be negative")
        return (inputs[0][0], *_pooled(self, inputs[0], self.total_padding))

    def divisors(self, *inputs: Shape) -> np.ndarray:
        """The number of cells that count in each window: float64 `(H', W')`."""
        _, height, width = inputs[0]
        pads = self.padding if self.count_include_pad else (0, 0, 0, 0)
        skipped = tuple(total - pad for total, pad in zip(self.total_padding, pads, strict=True))
        counts = np.ones((height + pads[0] + pads[1], width + pads[2] + pads[3]))
        counts = np.pad(counts, (skipped[:2], skipped[2:]))
        view = np.lib.stride_tricks.sliding_window_view(counts, self.kernel)
        return view[:: self.stride[0], :: self.stride[1]].sum((2, 3))


def _pooled(op: MaxPool | AvgPool, shape: Shape, padding: Padding) -> Shape:
    """`windows`, none of which sees only padding: such a window has no largest value, and no framework takes it."""
    found = windows(op, shape, op.kernel, op.stride, padding)
    (height, width), (top, bottom, left, right) = op.kernel, padding
    if max(top, bottom) >= height or max(left, right) >= width:
        raise ShapeError(f"{op.kind} needs pads below its kernel {height}x{width}, not {', '.join(map(str, padding))}")
    return found


@dataclass(frozen=True)
class GlobalAvgPool(Op):
    """Mean over the map: `(C,)`, or `(C, 1, 1)` with `keepdims`."""

    keepdims: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        channels, _, _ = need_map(self, inputs[0])
        return (channels, 1, 1) if self.keepdims else (channels,)


@dataclass(frozen=True)
class BlurPool(Op):
    """Fixed depthwise [1, 2, 1] x [1, 2, 1] / 16 filter on a map reflected by one cell, then a stride (1904.11486).

    The filter is a constant: it is not a parameter and is not counted in MACs.
    """

    stride: tuple[int, int] = (2, 2)

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = need_map(self, inputs[0])
        if min(height, width) < 2:
            raise ShapeError(f"a {height}x{width} map is too small for blur_pool, which pads by reflecting one cell")
        return (channels, *windows(self, inputs[0], (3, 3), self.stride, (1, 1, 1, 1)))
