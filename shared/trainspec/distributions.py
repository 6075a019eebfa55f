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


def _coefficients(*polynomials: str) -> tuple[Floats, ...]:
    return tuple(np.array(text.split(), np.float64) for text in polynomials)


# Of AS241 (Wichura 1988), highest power first, above and below the line: for the centre, the flank and the far tail.
CENTRE = _coefficients(
    "2509.0809287301226727 33430.575583588128105 67265.770927008700853 45921.953931549871457 "
    "13731.693765509461125 1971.5909503065514427 133.14166789178437745 3.387132872796366608",
    "5226.495278852854561 28729.085735721942674 39307.89580009271061 21213.794301586595867 "
    "5394.1960214247511077 687.1870074920579083 42.313330701600911252 1.0",
)
FLANK = _coefficients(
    "7.7454501427834140764e-4 0.0227238449892691845833 0.24178072517745061177 1.27045825245236838258 "
    "3.64784832476320460504 5.7694972214606914055 4.6303378461565452959 1.42343711074968357734",
    "1.05075007164441684324e-9 5.475938084995344946e-4 0.0151986665636164571966 0.14810397642748007459 "
    "0.68976733498510000455 1.6763848301838038494 2.05319162663775882187 1.0",
)
TAIL = _coefficients(
    "2.01033439929228813265e-7 2.71155556874348757815e-5 0.0012426609473880784386 0.026532189526576123093 "
    "0.29656057182850489123 1.7848265399172913358 5.4637849111641143699 6.6579046435011037772",
    "2.04426310338993978564e-15 1.4215117583164458887e-7 1.8463183175100546818e-5 7.868691311456132591e-4 "
    "0.0148753612908506148525 0.13692988092273580531 0.59983220655588793769 1.0",
)


def uniform(words: Words, low: float = 0.0, high: float = 1.0) -> Floats:
    """Numbers above `low` and below `high`, float64, of the words' shape: 2^52 equally likely ones."""
    return low + (high - low) * (((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)


def below(words: Words, count: int) -> NDArray[np.int64]:
    """Whole numbers from 0 to `count - 1`, int64, of the words' shape. Their odds differ by `count / 2^64` at most."""
    return (words % np.uint64(count)).astype(np.int64)


def normal(words: Words) -> Floats:
    """Numbers of the standard normal distribution, float64, of the words' shape, by AS241 (Wichura 1988)."""
    share = uniform(words)
    offset = share - 0.5
    central = np.abs(offset) <= 0.425
    root = np.sqrt(-np.log(np.minimum(share, 1 - share)))
    square = 0.180625 - offset * offset
    flank, tail = (np.copysign(_ratio(part, root - start), offset) for part, start in ((FLANK, 1.6), (TAIL, 5.0)))
    return np.where(central, offset * _ratio(CENTRE, square), np.where(root <= 5.0, flank, tail))


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


def _ratio(polynomials: tuple[Floats, ...], x: Floats) -> Floats:
    above, under = (np.polyval(coefficients, x) for coefficients in polynomials)
    ratio: Floats = above / under
    return ratio


def _apart(value: Floats) -> Floats:
    """`value`, kept away from zero."""
    return np.where(np.abs(value) < TINY, TINY, value)
