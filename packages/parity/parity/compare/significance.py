"""Tests whether two classifiers differ, on the images that they judge differently. Formulas only."""

import math
from dataclasses import dataclass

from deploy.intervals import LEVEL, paired


@dataclass(frozen=True)
class Difference:
    """Two runs on the same images. Accuracies are in percent.

    `lost` images are right only by the first run, `won` only by the second; they answer differently on `apart` images.
    `p` is McNemar's, two-sided and exact. `difference` is the second accuracy less the first, with its 95 % interval.
    """

    images: int
    apart: int
    lost: int
    won: int
    p: float
    difference: float
    low: float
    high: float

    @property
    def significant(self) -> bool:
        return self.p < 1 - LEVEL

    @property
    def too_few(self) -> bool:
        """Whether so few images are judged differently that even all of them on one side would prove nothing."""
        return self.lost + self.won < fewest()

    @property
    def most(self) -> float:
        """The largest difference in the interval, in points, whichever run is the better one."""
        return max(-self.low, self.high)

    @property
    def words(self) -> str:
        """What the test says, in a sentence."""
        if not self.apart:
            return f"both give the same answer on all {self.images:,} images."
        judged = f"{self.lost + self.won:,} of {self.images:,} images are right in one run only"
        if self.too_few:
            return (
                f"{judged}, and fewer than {fewest()} prove nothing, whichever run has them: the accuracies differ by "
                f"at most {self.most:.2f} points ({100 * LEVEL:.0f} % interval)."
            )
        if self.significant:
            return f"{judged}, more of them in one run than chance explains (p = {self.p:.2g})."
        return f"{judged}, divided as chance divides them (p = {self.p:.2g}): the two cannot be told apart."


def difference(lost: int, won: int, apart: int, images: int) -> Difference:
    """The test of two runs that judge `lost` and `won` images differently."""
    low, high = paired(lost, won, images)
    return Difference(
        images, apart, lost, won, mcnemar(lost, won), 100 * (won - lost) / images, -100 * high, -100 * low
    )


def mcnemar(lost: int, won: int) -> float:
    """The exact two-sided p-value of McNemar's test (1947): that a fair coin divides the images so or more unevenly."""
    total = lost + won
    tail = sum(math.comb(total, count) for count in range(min(lost, won) + 1))
    return min(1.0, 2 * tail / 2**total)


def fewest() -> int:
    """The least number of images that can be significant, when all are on one side: 6 at 95 %."""
    return math.ceil(1 - math.log2(1 - LEVEL))
