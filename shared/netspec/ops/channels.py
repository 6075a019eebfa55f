"""Ops that move values without arithmetic. There is no generic reshape or transpose: those expose the layout."""

from dataclasses import dataclass

from diptych.errors import ShapeError
from netspec.ops.base import Op, Shape, need_map, need_positive


@dataclass(frozen=True)
class SliceChannels(Op):
    """Channels from `start` up to `stop`, which is not included."""

    start: int
    stop: int

    def shape(self, *inputs: Shape) -> Shape:
        if not 0 <= self.start < self.stop <= inputs[0][0]:
            raise ShapeError(f"channels {self.start} to {self.stop} are not in {inputs[0]}")
        return (self.stop - self.start, *inputs[0][1:])


@dataclass(frozen=True)
class PadChannels(Op):
    """Appends `channels` channels of zeros."""

    channels: int

    def shape(self, *inputs: Shape) -> Shape:
        need_positive(self, "channels")
        channels, height, width = need_map(self, inputs[0])
        return (channels + self.channels, height, width)


@dataclass(frozen=True)
class SpaceToDepth(Op):
    """Each `block` x `block` square becomes one cell; output channel `(dy * block + dx) * C + c` (TResNet)."""

    block: int

    def shape(self, *inputs: Shape) -> Shape:
        need_positive(self, "block")
        channels, height, width = need_map(self, inputs[0])
        if height % self.block or width % self.block:
            raise ShapeError(f"{self.block}x{self.block} squares do not tile a {height}x{width} map")
        return (channels * self.block**2, height // self.block, width // self.block)


@dataclass(frozen=True)
class Flatten(Op):
    """A map as a vector, channel by channel and row by row: `(C, H, W)` to `(C*H*W,)`."""

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = need_map(self, inputs[0])
        return (channels * height * width,)
