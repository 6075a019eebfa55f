"""Random numbers of a distribution, made of raw words by its inverse distribution function: one word for each number.

NumPy promises its raw words for ever, but not its distributions. A number never needs a second word, so every draw has
a fixed place in its stream.
"""

import math

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Floats = NDArray[np.float64]

MOST_STEPS = 200  # more than any search below needs
TINY = 1e-300
CONVERGED = 1e-15  # a factor that is so near to 1 ends the continued fraction
FOUND = 1e-13  # a step that is so small ends the search


def uniform(words: Words, low: float = 0.0, high: float = 1.0) -> Floats:
    """Numbers above `low` and below `high`, float64, of the words' shape: 2^52 equally likely ones."""
    return low + (high - low) * (((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)


def below(words: Words, count: int) -> NDArray[np.int64]:
    """Whole numbers from 0 to `count - 1`, int64, of the words' shape. Their odds differ by `count / 2^64` at most."""
    return (words % np.uint64(count)).astype(np.int64)


def beta(words: Words, a: float, b: float) -> Floats:
    """Numbers of the distribution Beta(a, b), float64, of the words' shape. `a` and `b` are at least 0.01.

    Below `(a + 1) / (a + b + 2)`, where the continued fraction converges fast, the number itself is looked for. Above
    it, 1 minus the number is.
    """
    share = uniform(words).ravel()
    centre = (a + 1) / (a + b + 2)
    lower = share <= np.exp(log_incomplete_beta(np.array([math.log(centre)]), a, b))
    numbers = np.empty_like(share)
    numbers[lower] = _lower_quantile(share[lower], a, b)
    numbers[~lower] = 1 - _lower_quantile(1 - share[~lower], b, a)
    return numbers.reshape(words.shape)


def log_incomplete_beta(log_x: Floats, a: float, b: float) -> Floats:
    """The logarithm of the regularised incomplete beta function at `exp(log_x)`.

    By its continued fraction (DLMF 8.17.22), in Lentz's form. It converges fast up to `(a + 1) / (a + b + 2)`.
    """
    x = np.exp(log_x)
    lower, upper = 1 / _apart(1 - (a + b) * x / (a + 1)), np.ones_like(x)
    fraction = lower.copy()
    for m in range(1, MOST_STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            lower, upper = 1 / _apart(1 + term * lower), _apart(1 + term / upper)
            fraction *= lower * upper
        if np.all(np.abs(lower * upper - 1) <= CONVERGED):
            break
    return a * log_x + b * np.log1p(-x) - math.log(a) - _log_beta(a, b) + np.log(fraction)


def _lower_quantile(share: Floats, a: float, b: float) -> Floats:
    """The numbers below `(a + 1) / (a + b + 2)` that have `share` of Beta(a, b) below them.

    Newton's method on logarithms, in which the lower tail is a straight line; halving where it leaves the bracket.
    """
    log_share, log_beta = np.log(share), _log_beta(a, b)
    high = np.full_like(share, math.log((a + 1) / (a + b + 2)))
    found = np.minimum((log_share + math.log(a) + log_beta) / a, high)  # as if `(1 - x) ** (b - 1)` were 1
    low = found - 1 - max(0, 1 - b) * math.log((a + b + 2) / (b + 1)) / a  # its greatest value, if that is above 1
    for _ in range(MOST_STEPS):
        value = log_incomplete_beta(found, a, b)
        missing = value - log_share
        low, high = np.where(missing < 0, found, low), np.where(missing > 0, found, high)
        slope = np.exp(a * found + (b - 1) * np.log1p(-np.exp(found)) - log_beta - value)
        step = found - missing / slope
        step = np.where((step >= low) & (step <= high), step, (low + high) / 2)
        near = np.all(np.abs(step - found) <= FOUND * np.maximum(1, np.abs(found)))
        found = step
        if near:
            break
    return np.exp(found)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _apart(value: Floats) -> Floats:
    """`value`, kept away from zero."""
    return np.where(np.abs(value) < TINY, TINY, value)
