"""Confidence intervals: of an accuracy over images, and of a mean over runs. Formulas only; SciPy is not needed."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from deploy.intervals import LEVEL


def over_runs(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Student's interval of the mean accuracy of at least two runs that differ by chance: `(low, high)`, in percent.

    Student's distribution knows no bounds, so a few runs that differ much reach beyond what an accuracy can be. The
    interval is cut at 0 and 100: no mean lies outside, so it contains the mean as often as before.
    """
    reach = student(len(values) - 1, level) * stdev(values) / math.sqrt(len(values))
    return max(0.0, fmean(values) - reach), min(100.0, fmean(values) + reach)


def student(freedom: int, level: float = LEVEL) -> float:
    """The `t` within which Student's distribution with `freedom` degrees of freedom lies with probability `level`."""
    low, high = 0.0, 1.0
    while within(high, freedom) < level:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < level else (low, middle)
    return high


def within(t: float, freedom: int) -> float:
    """The probability that Student's distribution gives a value between -t and t (Abramowitz and Stegun 26.7.3-4)."""
    angle = math.atan(t / math.sqrt(freedom))
    square, odd = math.cos(angle) ** 2, freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0 if freedom == 1 else term
    for power in range(2 + odd, freedom - 1, 2):
        term *= square * (power - 1) / power
        total += term
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
