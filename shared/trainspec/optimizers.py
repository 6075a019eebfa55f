"""The sections of a recipe for the optimizer and for single parameters."""

from dataclasses import dataclass, field
from typing import TypeAlias

from trainspec.sections import Tagged

DECAY = {"least": 0.0, "also": ("decay", "wd", "l2", "weight_decay_rate")}


@dataclass(frozen=True)
class Optimizer(Tagged):
    """The settings that every optimizer has.

    `weight_decay` applies to every kernel. It applies to norms and biases only with `decay_norms_and_biases`.
    """

    weight_decay: float = field(default=5e-4, metadata=DECAY)
    decay_norms_and_biases: bool = False


@dataclass(frozen=True)
class SGD(Optimizer):
    """SGD in PyTorch's form. Its decay is an L2 term in the gradient (Keras's `l2(c)` equals a decay of 2c)."""

    kind = "sgd"

    momentum: float = field(default=0.9, metadata={"least": 0.0, "below": 1.0, "also": ("beta",)})
    nesterov: bool = True


AnyOptimizer: TypeAlias = SGD


@dataclass(frozen=True)
class ParameterTable:
    """A table `[[parameters]]`: different settings for the parameters that it matches.

    `match` is a shell pattern of canonical names, such as `*.bn.bias`. `rate_factor` and `decay_factor` multiply the
    learning rate and the decay. With `freeze`, a parameter keeps its value and its optimizer state. `until`: the table
    applies before this epoch (from 0; fractions are allowed). If several tables apply, the last one that sets a value
    decides it.
    """

    match: str
    rate_factor: float | None = field(default=None, metadata={"least": 0.0, "also": ("lr_factor", "lr_mult")})
    decay_factor: float | None = field(default=None, metadata={"least": 0.0, "also": ("decay_mult",)})
    freeze: bool | None = field(default=None, metadata={"also": ("frozen", "trainable")})
    until: float | None = field(default=None, metadata={"above": 0.0})
