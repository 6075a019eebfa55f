"""Measures how far apart two results are, and whether that is too far. NumPy only; used for every comparison.

All limits are in `tolerances.toml`. A comparison that proves nothing (no tensors in common, outputs that do not depend
on the input) raises `ParityError` instead of passing.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from diptych.errors import ParityError

TOLERANCES = Path(__file__).with_name("tolerances.toml")


@dataclass(frozen=True)
class Limits:
    """Limits of differences, and the least that a comparison needs.

    `float32_forward` is relative to the spread. `float64` is relative to a tensor's magnitude, or to `float64_floor`
    times the largest magnitude if that is more. `epoch_losses` is in nats, for each step of an epoch in float64.
    `bfloat16_loss` is relative to the loss of a batch, `bfloat16_gradients` to the norm of all its gradients.
    `rounding_multiple`: a step may be this many times as far from its float64 step as the rounding of its inputs moves
    that one. `rounding_deviations`: of the rounding of a sum, a random walk; so many standard deviations are explained.
    """

    float32_forward: float
    float64: float
    float64_floor: float
    epoch_losses: float
    bfloat16_loss: float
    bfloat16_gradients: float
    least_spread: float
    least_images: int
    rounding_multiple: float
    rounding_deviations: float


@cache
def limits() -> Limits:
    return Limits(**tomllib.loads(TOLERANCES.read_text())["limits"])


@dataclass(frozen=True)
class Difference:
    """The `value`, relative to its reference; its `limit`; and the tensor where it is largest."""

    value: float
    limit: float
    where: str

    @property
    def within(self) -> bool:
        return self.value <= self.limit  # false for NaN

    def __str__(self) -> str:
        return f"{self.value:.1e} in '{self.where}' (limit {self.limit:.0e})"


def spread(outputs: np.ndarray) -> float:
    """Standard deviation over inputs, averaged over outputs, for outputs `(N, ...)`.

    Raises `ParityError` for too few inputs, or if the outputs hardly depend on them: any two networks would then agree.
    """
    least = limits()
    if len(outputs) < least.least_images:
        raise ParityError(
            f"{len(outputs)} inputs are too few to judge a difference; at least {least.least_images} are needed"
        )
    outputs = np.asarray(outputs, np.float64)
    if not np.isfinite(outputs).all():
        return float("nan")
    width = float(outputs.std(0).mean())
    if width <= least.least_spread * float(np.abs(outputs).max(initial=0)):
        raise ParityError(
            f"the outputs hardly depend on the input (their spread is {width:.1e}): nothing can be compared; a trained "
            "network that answers the same for every image has learned nothing: lower the rate (schedule.peak)"
        )
    return width


def forward_difference(a: np.ndarray, b: np.ndarray, where: str = "logits", unit: float | None = None) -> Difference:
    """Largest difference of two float32 outputs `(N, ...)`, relative to the spread between inputs."""
    if a.shape != b.shape:
        raise ParityError(f"'{where}' has the shape {a.shape} on one side and {b.shape} on the other")
    unit = spread(a) if unit is None else unit
    value = float(np.abs(np.asarray(a, np.float64) - b).max()) / unit
    return Difference(value, limits().float32_forward, where)


def tensor_difference(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> Difference:
    """The largest of `tensor_differences`, for float64 tensors by name."""
    values = tensor_differences(a, b)
    where = largest(values)
    return Difference(values[where], limits().float64, where)


def tensor_differences(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> dict[str, float]:
    """For each float64 tensor `max|a-b|` over `max(max|a|, floor * M)`; M is the largest value of all tensors.

    Raises `ParityError` if names or shapes differ, or if there is nothing to compare.
    """
    if not a or a.keys() != b.keys():
        odd = ", ".join(sorted(a.keys() ^ b.keys())[:3]) or "none at all"
        raise ParityError(f"nothing to compare, or not the same tensors on both sides: {odd}")
    magnitude, apart = {}, {}
    for name, values in a.items():  # read each tensor once: it may be in a file
        others = b[name]
        if values.shape != others.shape:
            raise ParityError(f"'{name}' has the shape {values.shape} on one side and {others.shape} on the other")
        magnitude[name], apart[name] = largest_of(values), largest_of(values - others)
    most = max(magnitude.values())
    if not most > 0:
        raise ParityError("every tensor is zero or NaN: nothing can be compared")
    floor = limits().float64_floor * most
    return {name: apart[name] / max(magnitude[name], floor) for name in a}


def largest_difference(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> tuple[str, float]:
    """The name of the tensor of `a` that differs most from that of `b`, and `max|a-b|` of it."""
    apart = {name: largest_of(values - b[name]) for name, values in a.items()}
    where = largest(apart)
    return where, apart[where]


def relative_norm(a: np.ndarray, b: np.ndarray) -> float:
    """The Euclidean norm of `b - a` over that of `a`, in float64; the norm itself where `a` is zero."""
    exact = np.asarray(a, np.float64)
    norm, apart = float(np.linalg.norm(exact)), float(np.linalg.norm(exact - b))
    return apart / norm if norm else apart


def largest(values: Mapping[str, float]) -> str:
    """The name of the largest value. NaN is larger than all."""
    return max(values, key=lambda name: np.inf if np.isnan(values[name]) else values[name])


def largest_of(values: np.ndarray) -> float:
    """The largest magnitude; NaN if there is one, 0 if empty. Makes no second array of that size."""
    return float(max(values.max(initial=0), -values.min(initial=0)))
