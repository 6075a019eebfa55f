"""The sections of a recipe for the optimizer and for single parameters.

Below, `p` is a parameter, `g` its gradient and `rate` the learning rate. All state begins at zero. `decay` is
`weight_decay` where it applies.
"""

from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from trainspec.sections import Tagged

DECAY = {"least": 0.0, "also": ("decay", "wd", "l2", "weight_decay_rate")}
FRACTION = {"least": 0.0, "below": 1.0}
EPSILON = {"above": 0.0, "also": ("eps",)}
BETA1 = FRACTION | {"also": ("beta_1", "betas")}
BETA2 = FRACTION | {"also": ("beta_2",)}


@dataclass(frozen=True)
class Optimizer(Tagged):
    """The settings that every optimizer has.

    `weight_decay` applies to every kernel. It applies to norms and biases only with `decay_norms_and_biases`.
    `clip_norm`: where the norm of all gradients together is larger, all are scaled down to this norm (1211.5063).
    Gradients of frozen parameters do not count.
    """

    slots: ClassVar[tuple[str, ...]] = ()  # the arrays of its state, each of the shape of its parameter
    counts: ClassVar[bool] = False  # whether the state also has the number of a parameter's updates

    weight_decay: float = field(default=5e-4, metadata=DECAY)
    decay_norms_and_biases: bool = False
    clip_norm: float | None = field(
        default=None, metadata={"above": 0.0, "also": ("clip", "clip_grad", "global_clipnorm", "max_norm")}
    )


@dataclass(frozen=True)
class SGD(Optimizer):
    """SGD in PyTorch's form. Its decay is an L2 term in the gradient (Keras's `l2(c)` equals a decay of 2c).

    `g += decay * p`; `b = momentum * b + g`; `p -= rate * b`, or with Nesterov `p -= rate * (g + momentum * b)`.
    """

    kind = "sgd"
    slots = ("momentum",)

    momentum: float = field(default=0.9, metadata=FRACTION | {"also": ("beta",)})
    nesterov: bool = True


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (1412.6980) in PyTorch's form: epsilon is added after the bias correction. The decay is an L2 term.

    `g += decay * p`; `m = beta1 * m + (1 - beta1) * g`; `v = beta2 * v + (1 - beta2) * g²`;
    `p -= rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)` in the parameter's update `t` (from 1).
    """

    kind = "adam"
    slots = ("first_moment", "second_moment")
    counts = True

    beta1: float = field(default=0.9, metadata=BETA1)
    beta2: float = field(default=0.999, metadata=BETA2)
    epsilon: float = field(default=1e-8, metadata=EPSILON)


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled decay (1711.05101): `p -= rate * decay * p` comes first; `g` does not contain the decay."""

    kind = "adamw"
    slots = ("first_moment", "second_moment")
    counts = True

    weight_decay: float = field(default=1e-2, metadata=DECAY)
    beta1: float = field(default=0.9, metadata=BETA1)
    beta2: float = field(default=0.999, metadata=BETA2)
    epsilon: float = field(default=1e-8, metadata=EPSILON)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop in TensorFlow's form, as the MobileNet papers train: epsilon is inside the root.

    `g += decay * p`; `v = rho * v + (1 - rho) * g²`; `b = momentum * b + rate * g / sqrt(v + epsilon)`; `p -= b`.
    As in Keras 3, `v` begins at zero. TensorFlow 1 began at one.
    """

    kind = "rmsprop"
    slots = ("second_moment", "momentum")

    rho: float = field(default=0.9, metadata=FRACTION | {"also": ("alpha", "smoothing")})
    momentum: float = field(default=0.9, metadata=FRACTION)
    epsilon: float = field(default=1e-3, metadata=EPSILON)


@dataclass(frozen=True)
class Muon(Optimizer):
    """Muon for the kernels of convolutions, as airbench94 uses it (KellerJordan/cifar10-airbench). The rest is SGD.

    A kernel `p` of shape `(O, I, kh, kw)` is a matrix `(O, I*kh*kw)`; its gradient is flattened in the same way.
    `b = momentum * b + g`; `u = b`, or with Nesterov `u = g + momentum * b`. Newton-Schulz makes `u` nearly orthogonal:
    `x = u / (norm(u) + epsilon)`, then `iterations` times `a = x x'`, `x = c1 x + (c2 a + c3 a a) x`, with
    `coefficients` (c1, c2, c3). A matrix with more rows than columns is transposed before, and back after it. All
    of it is computed in the training's own precision, or in bfloat16 if `bfloat16` is on.

    With `normalise`, `p` is scaled to the norm `sqrt(O)` first: `p *= sqrt(O) / max(norm(p), epsilon)`. Then
    `p -= rate * decay * p` and `p -= rate * x`. All other parameters are updated as SGD does, with `other_momentum`;
    use `[[parameters]]` for their rates.
    """

    kind = "muon"
    slots = ("momentum",)

    momentum: float = field(default=0.6, metadata=FRACTION)
    nesterov: bool = True
    iterations: int = field(default=3, metadata={"least": 1, "most": 100, "also": ("ns_steps",)})
    coefficients: tuple[float, ...] = field(default=(3.4445, -4.7750, 2.0315), metadata={})
    epsilon: float = field(default=1e-7, metadata=EPSILON)
    normalise: bool = True
    bfloat16: bool = False
    other_momentum: float = field(default=0.85, metadata=FRACTION)

    def problem(self) -> str | None:
        """What is wrong with the values taken together, as `key: what is allowed`; None if nothing is."""
        return None if len(self.coefficients) == 3 else "coefficients: give three numbers"

    @property
    def sgd(self) -> SGD:
        """The optimizer of everything that is not a kernel of a convolution."""
        return SGD(momentum=self.other_momentum, nesterov=self.nesterov)


AnyOptimizer: TypeAlias = SGD | Adam | AdamW | RMSprop | Muon


@dataclass(frozen=True)
class ParameterTable:
    """A table `[[parameters]]`: different settings for the parameters that it matches.

    `match` is a shell pattern of canonical names, such as `*.bn.bias`. `rate_factor` and `decay_factor` multiply the
    learning rate and the decay. With `freeze`, a parameter keeps its value and its optimizer state; a batch norm with
    its weight and its bias frozen in every step also uses and keeps its running statistics. `until`: the table applies
    before this epoch (from 0; fractions are allowed). If several tables apply, the last one that sets a value decides
    it. With `anew`, a training that begins from a file of weights draws the tensor and does not take it from the file.
    """

    match: str
    rate_factor: float | None = field(default=None, metadata={"least": 0.0, "also": ("rate", "lr_factor", "lr_mult")})
    decay_factor: float | None = field(default=None, metadata={"least": 0.0, "also": ("decay_mult",)})
    freeze: bool | None = field(default=None, metadata={"also": ("frozen", "trainable")})
    until: float | None = field(default=None, metadata={"above": 0.0})
    anew: bool | None = field(default=None, metadata={"also": ("reset", "reinitialise")})

    @property
    def is_idle(self) -> bool:
        """Whether it sets nothing."""
        return all(value is None for value in (self.rate_factor, self.decay_factor, self.freeze, self.anew))
