"""Initial weights, in NumPy, so that every framework starts from the same bits.

Each tensor has its own Philox stream, keyed by the seed and the tensor's name. Adding a layer or reordering nodes
therefore changes no other tensor.
"""

import hashlib
from collections.abc import Callable

import numpy as np

from diptych.errors import UnknownNameError
from netspec.graph import Graph
from netspec.ops import Param, Shape

Weights = dict[str, np.ndarray]
Initialiser = Callable[[np.random.Generator, Shape], np.ndarray]


def stream(seed: int, name: str) -> np.random.Generator:
    """The random generator for `name` under `seed`."""
    return np.random.Generator(np.random.Philox(key=[seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])]))


def _fans(shape: Shape) -> tuple[int, int]:
    window = int(np.prod(shape[2:]))
    return shape[1] * window, shape[0] * window


def he_normal(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    """Normal of variance 2 / fan-in (1502.01852)."""
    return generator.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / _fans(shape)[0]))


def he_normal_fan_out(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    """Normal of variance 2 / fan-out for convolutions (1502.01852), and by fan-in for dense kernels."""
    fan = _fans(shape)[1 if len(shape) == 4 else 0]
    return generator.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / fan))


def glorot_uniform(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    """Uniform of variance 2 / (fan-in + fan-out) (Glorot 2010)."""
    limit = np.sqrt(6 / sum(_fans(shape)))
    return generator.uniform(-limit, limit, shape).astype(np.float32)


SCHEMES: dict[str, Initialiser] = {draw.__name__: draw for draw in (he_normal, he_normal_fan_out, glorot_uniform)}


def initial_weights(graph: Graph, seed: int = 0, scheme: str = "he_normal") -> Weights:
    """Canonical weights, float32: kernels drawn by `scheme`, gammas and variances 1, the rest 0."""
    if scheme not in SCHEMES:
        raise UnknownNameError(f"no initialisation '{scheme}'; there are {', '.join(SCHEMES)}")

    def initial(name: str, param: Param) -> np.ndarray:
        if param.kind == "kernel":
            return SCHEMES[scheme](stream(seed, name), param.shape)
        return np.full(param.shape, float(param.kind in ("gamma", "variance")), np.float32)

    return {name: initial(name, param) for name, param in graph.params.items()}


def draw_noise(graph: Graph, batch: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A draw for every `noise.<path>` input of `explicit_noise(graph)`, float64 of shape `(batch, *noise_shape)`."""
    return {
        name: (stream(seed, name).random((batch, *graph.inputs[name])) < op.keep).astype(np.float64)
        for name, op in graph.draws.items()
    }
