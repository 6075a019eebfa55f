"""What a recipe says of its optimizer, and of single parameters."""

from dataclasses import dataclass, field
from typing import TypeAlias

from trainspec.sections import Tagged

DECAY = {"least": 0.0, "also": ("decay", "wd", "l2", "weight_decay_rate")}


@dataclass(frozen=True)
class Optimizer(Tagged):
    """What every optimizer has.

    `weight_decay` reaches every kernel, and norms and biases only where `decay_norms_and_biases` says so.
    """

    weight_decay: float = field(default=5e-4, metadata=DECAY)
    decay_norms_and_biases: bool = False


@dataclass(frozen=True)
class SGD(Optimizer):
    """SGD in PyTorch's form. Its decay is the L2 term in the gradient (Keras's `l2(c)` is a decay of 2c)."""

    kind = "sgd"

    momentum: float = field(default=0.9, metadata={"least": 0.0, "below": 1.0, "also": ("beta",)})
    nesterov: bool = True


AnyOptimizer: TypeAlias = SGD


@dataclass(frozen=True)
class ParameterTable:
    """A table `[[parameters]]`: what is different for the parameters that it matches.

    `match`: a shell pattern of canonical names, as `*.bn.bias`. `rate_factor` and `decay_factor` multiply the learning
    rate and the decay. A parameter that is frozen keeps its value, and its optimizer keeps its state. `until`: the
    table holds in the epochs before this one, from 0; a fraction is allowed. Of several tables that hold, the last one
    that says something decides.
    """

    match: str
    rate_factor: float | None = field(default=None, metadata={"least": 0.0, "also": ("lr_factor", "lr_mult")})
    decay_factor: float | None = field(default=None, metadata={"least": 0.0, "also": ("decay_mult",)})
    freeze: bool | None = field(default=None, metadata={"also": ("frozen", "trainable")})
    until: float | None = field(default=None, metadata={"above": 0.0})
