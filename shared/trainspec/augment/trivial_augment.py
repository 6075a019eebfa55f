"""TrivialAugment."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainspec.augment.operations import LEVELS, ORDERED, Operations, Space
from trainspec.distributions import below
from trainspec.stream import Stream


@dataclass(frozen=True)
class TrivialAugment(Operations):
    """One of 14 random operations on the pixels, at a random level from 0 to 30 (2103.10158, "wide").

    The magnitudes are those of torchvision's `TrivialAugmentWide`.
    """

    kind = "trivial_augment"
    purpose = 23
    space = Space(0.99, lambda side: 32.0, 135.0, 0.99, 6)

    def draw(self, stream: Stream, samples: int) -> dict[str, NDArray[Any]]:
        """`operation` and `level`, int8 `(N, 1)`; `negative`, bool of this shape."""
        words = stream.words(3 * samples).reshape(samples, 1, 3)
        operation, level = (below(words[..., at], count) for at, count in enumerate((len(ORDERED), LEVELS)))
        chosen = {"operation": operation.astype(np.int8), "level": level.astype(np.int8)}
        return {**chosen, "negative": below(words[..., 2], 2) == 1}
