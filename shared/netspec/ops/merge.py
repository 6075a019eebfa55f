"""Ops that join tensors or weigh them against one another."""

from dataclasses import dataclass
from typing import ClassVar

from diptych.errors import ShapeError
from netspec.ops.base import Op, Shape, need_map, need_positive


@dataclass(frozen=True)
class Add(Op):
    """Sum of tensors of the same shape."""

    arity: ClassVar[tuple[int, int | None]] = (2, None)

    def shape(self, *inputs: Shape) -> Shape:
        if any(shape != inputs[0] for shape in inputs):
            raise ShapeError(f"add needs equal shapes, not {' and '.join(map(str, inputs))}")
        return inputs[0]


@dataclass(frozen=True)
class Mul(Op):
    """Product of a tensor with a second one, of the same shape or, for maps, of shape `(C, 1, 1)`."""

    arity: ClassVar[tuple[int, int | None]] = (2, 2)

    def shape(self, *inputs: Shape) -> Shape:
        x, y = inputs
        if y not in (x, (x[0], 1, 1)):
            raise ShapeError(f"mul needs {x} or {(x[0], 1, 1)} beside {x}, not {y}")
        return x


@dataclass(frozen=True)
class Concat(Op):
    """Channels of the first tensor, then of the second, and so on."""

    arity: ClassVar[tuple[int, int | None]] = (2, None)

    def shape(self, *inputs: Shape) -> Shape:
        if any(shape[1:] != inputs[0][1:] for shape in inputs):
            raise ShapeError(f"concat needs maps of equal height and width, not {' and '.join(map(str, inputs))}")
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])


@dataclass(frozen=True)
class RadixSoftmax(Op):
    """Split attention's weights (ResNeSt, 2004.08955): softmax over the radix, sigmoid for a radix of one.

    The input `(groups * radix * c, 1, 1)` is ordered group by group, the output radix by radix: slice `r` of the output
    holds the weights of split `r` for all groups.
    """

    radix: int
    groups: int = 1

    def shape(self, *inputs: Shape) -> Shape:
        need_positive(self, "radix", "groups")
        channels, height, width = need_map(self, inputs[0])
        if (height, width) != (1, 1) or channels % (self.radix * self.groups):
            raise ShapeError(f"radix_softmax needs ({self.radix * self.groups}*c, 1, 1), not {inputs[0]}")
        return inputs[0]
