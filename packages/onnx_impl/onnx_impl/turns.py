"""Times passes in turns, so that what else the machine does falls on all of them alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from deploy.intervals import LEVEL
from diptych.stopping import until_stopped

ROUNDS = 31
WARM_UP = 3
SHORTEST = 0.02  # seconds of one turn: a pass that is shorter is repeated, since a clock and a scheduler are coarse

Passes = Mapping[str, Callable[[], object]]
Clock = Callable[[], float]  # seconds


@dataclass(frozen=True)
class Ratio:
    """A ratio of two times: the median over the rounds, and the interval in which the true median lies."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def processor_times(passes: Passes, rounds: int = ROUNDS) -> dict[str, NDArray[np.float64]]:
    """`times_by` the processor time of this process: time that its one thread waits for a core is not counted."""
    return times_by(time.process_time, passes, rounds)


def times_by(clock: Clock, passes: Passes, rounds: int = ROUNDS) -> dict[str, NDArray[np.float64]]:
    """Seconds of one pass, `(rounds,)` for each name.

    In every round each pass has one turn, in a changing order.
    """
    repeats = {name: _repeats(clock, run) for name, run in passes.items()}
    names = list(passes)
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in until_stopped(range(rounds)):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            start = clock()
            for _ in range(repeats[name]):
                passes[name]()
            times[name].append((clock() - start) / repeats[name])
    return {name: np.array(seconds) for name, seconds in times.items()}


def _repeats(clock: Clock, run: Callable[[], object]) -> int:
    """How many passes make a turn, after some passes to warm up."""
    for _ in range(WARM_UP):
        run()
    start = clock()
    run()
    return max(1, round(SHORTEST / max(clock() - start, 1e-9)))


def ratio(one: NDArray[np.float64], other: NDArray[np.float64]) -> Ratio:
    """The median of `one / other` round by round, with its distribution-free interval by order statistics.

    Both are seconds `(rounds,)` of `times_by`. The ranks of the interval are those of the sign test, by the
    normal approximation of the binomial distribution (Conover, Practical Nonparametric Statistics, section 3.2).
    """
    ratios = np.sort(one / other)
    count = len(ratios)
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * count**0.5 / 2
    low, high = max(0, int(count / 2 - reach) - 1), min(count - 1, int(np.ceil(count / 2 + reach)))
    return Ratio(float(np.median(ratios)), float(ratios[low]), float(ratios[high]))
