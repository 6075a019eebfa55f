"""Ops on single values."""

from dataclasses import dataclass

from diptych.errors import GraphError
from netspec.ops.base import Op

ACTIVATIONS = (
    "relu",  # max(x, 0)
    "relu6",  # min(max(x, 0), 6)
    "leaky_relu",  # x if x > 0 else slope * x
    "sigmoid",  # 1 / (1 + exp(-x))
    "hard_sigmoid",  # relu6(x + 3) / 6
    "silu",  # x * sigmoid(x), also called swish
    "hard_swish",  # x * hard_sigmoid(x)
    "mish",  # x * tanh(log(1 + exp(x)))
    "gelu",  # x * (1 + erf(x / sqrt(2))) / 2
    "tanh",
)


@dataclass(frozen=True)
class Activation(Op):
    """The function `fn` of `ACTIVATIONS` on each value; only `leaky_relu` uses `slope`."""

    fn: str
    slope: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fn not in ACTIVATIONS:
            raise GraphError(f"no activation '{self.fn}'; there are {', '.join(ACTIVATIONS)}")
        if self.slope and self.fn != "leaky_relu":
            raise GraphError(f"{self.fn} has no slope; {self.slope} was given, which only leaky_relu takes")

    @property
    def label(self) -> str:
        return self.fn


@dataclass(frozen=True)
class Scale(Op):
    """`y = factor * x` with a constant factor."""

    factor: float
