"""Confidence intervals of accuracies over images. Formulas only, standard library only."""

import math
from statistics import NormalDist

LEVEL = 0.95


def wilson(right: int, images: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval (1927) of the share of right answers, each image a draw of its own: `(low, high)`."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, spread = right / images, z * z / images
    middle = share + spread / 2
    reach = z * math.sqrt(share * (1 - share) / images + spread / (4 * images))
    return max(0.0, (middle - reach) / (1 + spread)), min(1.0, (middle + reach) / (1 + spread))


def of_accuracy(percent: float, images: int) -> tuple[float, float]:
    """Wilson's interval of an accuracy over `images`; all in percent."""
    low, high = wilson(round(percent / 100 * images), images)
    return 100 * low, 100 * high


def paired(lost: float, won: float, images: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of the share that a second model loses against a first one, on the same images: `(low, high)`.

    `lost` images are right only by the first model, `won` only by the second. Half an image is added to both, so that
    two models without a difference on a few images are not called equal (Agresti and Min 2005, Wald plus 2).
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    lost_, won_, total = lost + 0.5, won + 0.5, images + 2
    difference = (lost_ - won_) / total
    reach = z * math.sqrt((lost_ + won_) / total - difference**2) / math.sqrt(total)
    return difference - reach, difference + reach
