"""Initial weights, in NumPy, so that every framework starts from the same bits.

Each tensor has its own Philox stream, keyed by the seed and the tensor's name. Adding a layer or reordering nodes
therefore changes no other tensor.
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from diptych.errors import UnknownNameError, UsageError
from netspec.graph import Graph
from netspec.ops import Shape

Weights = dict[str, np.ndarray]
Fans = tuple[int, int]  # values that a filter reads, and that a channel is read into
Initialiser = Callable[[np.random.Generator, Shape, Fans], np.ndarray]

SEEDS = 1 << 63
CUT = 0.87962566103423978  # standard deviation of a normal distribution of deviation 1 that is cut at -2 and 2


def check_seed(seed: int, source: str = "seed") -> None:
    """Raise `UsageError` for a seed that Philox's key cannot hold. `source` is what the user calls it."""
    if not 0 <= seed < SEEDS:
        raise UsageError(f"{source} {seed}: give a whole number from 0 to 2**63 - 1")


def stream(seed: int, name: str) -> np.random.Generator:
    """The random generator for `name` under `seed`. Raises `UsageError` as `check_seed` does."""
    check_seed(seed)
    return np.random.Generator(np.random.Philox(key=[seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])]))


def _fans(shape: Shape) -> Fans:
    window = int(np.prod(shape[2:]))
    return shape[1] * window, shape[0] * window


def he_normal(generator: np.random.Generator, shape: Shape, fans: Fans) -> np.ndarray:
    """Normal of variance 2 / fan-in (1502.01852)."""
    return generator.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / fans[0]))


def he_normal_fan_out(generator: np.random.Generator, shape: Shape, fans: Fans) -> np.ndarray:
    """Normal of variance 2 / fan-out for convolutions (1502.01852), and by fan-in for dense kernels."""
    return generator.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / fans[len(shape) == 4]))


def he_normal_truncated(generator: np.random.Generator, shape: Shape, fans: Fans) -> np.ndarray:
    """`he_normal` in Keras's form: of the same variance, but cut at two standard deviations of the uncut curve."""
    values = generator.standard_normal(shape, np.float32)
    while (outside := abs(values) > 2).any():
        values[outside] = generator.standard_normal(int(outside.sum()), np.float32)
    return values * np.float32(np.sqrt(2 / fans[0]) / CUT)


def normal(generator: np.random.Generator, shape: Shape, fans: Fans, deviation: float = 0.05) -> np.ndarray:
    """Normal of standard deviation 0.05, whatever the fans (Keras's `random_normal`)."""
    return generator.standard_normal(shape, np.float32) * np.float32(deviation)


def glorot_uniform(generator: np.random.Generator, shape: Shape, fans: Fans) -> np.ndarray:
    """Uniform of variance 2 / (fan-in + fan-out) (Glorot 2010), also called Xavier's."""
    limit = np.sqrt(6 / sum(fans))
    return generator.uniform(-limit, limit, shape).astype(np.float32)


def fan_in_uniform(generator: np.random.Generator, shape: Shape, fans: Fans) -> np.ndarray:
    """Uniform in +-1 / sqrt(fan-in): PyTorch's `kaiming_uniform_` with a = sqrt(5)."""
    limit = 1 / np.sqrt(fans[0])
    return generator.uniform(-limit, limit, shape).astype(np.float32)


def zeros(generator: np.random.Generator, shape: Shape, fans: Fans) -> np.ndarray:
    """Zeros; nothing is drawn."""
    return np.zeros(shape, np.float32)


class Scheme(NamedTuple):
    """How kernels and the biases beside them are drawn. A bias has the fans of its kernel."""

    kernel: Initialiser
    bias: Initialiser = zeros


SCHEMES: dict[str, Scheme] = {
    "he_normal": Scheme(he_normal),
    "he_normal_fan_out": Scheme(he_normal_fan_out),
    "he_normal_truncated": Scheme(he_normal_truncated),
    "glorot_uniform": Scheme(glorot_uniform),
    "fan_in_uniform": Scheme(fan_in_uniform),
    "normal": Scheme(normal),
    "keras": Scheme(glorot_uniform),  # the defaults of Keras's layers
    "torch": Scheme(fan_in_uniform, fan_in_uniform),  # the defaults of PyTorch's layers
}


def initial_weights(graph: Graph, seed: int = 0, scheme: str = "he_normal") -> Weights:
    """Canonical weights, float32: kernels and biases drawn by `scheme`, gammas and variances 1, the rest 0.

    Raises `UnknownNameError` for an unknown scheme.
    """
    if scheme not in SCHEMES:
        raise UnknownNameError(f"no initialisation '{scheme}'; there are {', '.join(SCHEMES)}")

    return {name: initial_tensor(graph, name, seed, scheme) for name in graph.params}


def initial_tensor(graph: Graph, name: str, seed: int, scheme: str) -> np.ndarray:
    """The tensor `name` of `initial_weights`."""
    param = graph.params[name]
    if param.kind in ("kernel", "bias"):
        fans = _fans(graph.params[f"{name.rpartition('.')[0]}.weight"].shape)
        drawn: np.ndarray = getattr(SCHEMES[scheme], param.kind)(stream(seed, name), param.shape, fans)
        return drawn
    return np.full(param.shape, float(param.kind in ("gamma", "variance")), np.float32)


def draw_noise(graph: Graph, batch: int, seed: int = 0) -> dict[str, np.ndarray]:
    """An array for each draw of `explicit_noise(graph)`: `(batch, *shape)`, or `(1, *shape)` if it is for the batch."""
    return {
        name: draw.law.of(stream(seed, name).random((1 if draw.for_batch else batch, *draw.shape)))
        for name, draw in graph.draws.items()
    }
