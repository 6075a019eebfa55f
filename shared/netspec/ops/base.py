"""What an op is.

An op is a frozen dataclass; its fields are its attributes. The class alone defines its shape rule, parameters, MACs and
meaning; everything else in Diptych is a fold over nodes. Shapes are logical, `(C, H, W)` or `(C,)`: the language does
not include the batch or the physical layout.
"""

import re
from dataclasses import dataclass, fields
from functools import cache
from math import prod
from typing import ClassVar, Literal

from diptych.errors import ShapeError
from netspec.ops.draws import Draw

Shape = tuple[int, ...]
Padding = tuple[int, int, int, int]  # top, bottom, left, right

KINDS = Literal["kernel", "bias", "gamma", "beta", "mean", "variance"]


@dataclass(frozen=True)
class Param:
    """One tensor that an op owns, in PyTorch's layout. `mean` and `variance` are statistics and are not trained."""

    name: str
    shape: Shape
    kind: KINDS

    @property
    def trainable(self) -> bool:
        return self.kind not in ("mean", "variance")

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class Op:
    """Base of the vocabulary. `shape`, `params` and `macs` take the logical shapes of the inputs."""

    arity: ClassVar[tuple[int, int | None]] = (1, 1)  # fewest and most inputs; None: any number

    def __post_init__(self) -> None:
        for name in _floats(type(self)):  # type: ignore[arg-type]  # mypy thinks that a class has no hash
            # whole numbers are accepted for floats, but ONNX files distinguish 2 from 2.0
            if isinstance(value := getattr(self, name), int):
                object.__setattr__(self, name, float(value))

    @property
    def kind(self) -> str:
        """The name of the op in JSON, and of its handler in every builder, as `max_pool`."""
        return snake_case(type(self).__name__)

    @property
    def label(self) -> str:
        """The name of a node of this op if its author gives none."""
        return self.kind

    def shape(self, *inputs: Shape) -> Shape:
        """Shape of the output. Raises `ShapeError` if the op cannot take these inputs."""
        return inputs[0]

    def params(self, *inputs: Shape) -> tuple[Param, ...]:
        """The tensors that the op owns, in a fixed order."""
        return ()

    def macs(self, *inputs: Shape) -> int:
        """Multiply-adds for one image; only convolutions and dense layers count."""
        return 0

    @property
    def at_inference(self) -> "Op | None":
        """The op that takes its place at inference; None if it does nothing there."""
        return self


@dataclass(frozen=True)
class NoisyOp(Op):
    """An op that draws at random in training and does a fixed thing at inference, most often nothing.

    The inputs after the first are its draws, all or none. With them, the op computes its training form in every mode,
    so that all builders can use the same noise.
    """

    arity: ClassVar[tuple[int, int | None]] = (1, 2)
    draw_names: ClassVar[tuple[str, ...]] = ("",)  # the only draw of an op needs no name

    def shape(self, *inputs: Shape) -> Shape:
        needed = tuple(draw.shape for draw in self.draws(inputs[0]))
        if len(inputs) > 1 and inputs[1:] != needed:
            given, wanted = (", ".join(map(str, shapes)) for shapes in (inputs[1:], needed))
            raise ShapeError(f"{self.kind} needs noise of shape {wanted}, not {given}")
        return inputs[0]

    def draws(self, x: Shape) -> tuple[Draw, ...]:
        """What the op draws for an input of shape `x`, in the order of `draw_names`."""
        raise NotImplementedError

    @property
    def at_inference(self) -> Op | None:
        return None


@cache
def _floats(kind: type[Op]) -> tuple[str, ...]:
    return tuple(entry.name for entry in fields(kind) if entry.type is float)


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def need_map(op: Op, shape: Shape) -> tuple[int, int, int]:
    """The three sizes of a feature map. Raises `ShapeError` for another shape."""
    if len(shape) != 3:
        raise ShapeError(f"{op.kind} needs a feature map (C, H, W), not {shape}")
    return shape[0], shape[1], shape[2]


def need_vector(op: Op, shape: Shape) -> int:
    """The length of a vector. Raises `ShapeError` for another shape."""
    if len(shape) != 1:
        raise ShapeError(f"{op.kind} needs a vector (C,), not {shape}; flatten the map first")
    return shape[0]


def need_positive(op: Op, *attributes: str) -> None:
    """Raise `ShapeError` if one of the attributes is below 1."""
    for attribute in attributes:
        if getattr(op, attribute) < 1:
            raise ShapeError(f"{op.kind} needs {attribute} of at least 1, not {getattr(op, attribute)}")


def windows(op: Op, shape: Shape, kernel: Shape, stride: Shape, padding: Padding, dilation: Shape = (1, 1)) -> Shape:
    """The number of window positions `(H, W)` on a padded map; a last, partial step is dropped."""
    _, height, width = need_map(op, shape)
    if min(*kernel, *stride, *dilation) < 1 or min(padding) < 0:
        raise ShapeError(f"{op.kind} needs kernel, stride and dilation of at least 1 and pads of at least 0")
    top, bottom, left, right = padding
    sizes = []
    for size, pad, k, s, d in zip((height, width), (top + bottom, left + right), kernel, stride, dilation, strict=True):
        room = size + pad - d * (k - 1) - 1
        if room < 0:
            raise ShapeError(f"a {height}x{width} map is too small for {op.kind} with kernel {kernel[0]}x{kernel[1]}")
        sizes.append(room // s + 1)
    return tuple(sizes)
