"""RandAugment."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainspec.augment.operations import LEVELS, ORDERED, Operations, Space
from trainspec.distributions import below
from trainspec.stream import Stream


@dataclass(frozen=True)
class RandAugment(Operations):
    """`operations` of 14 random operations on the pixels, one after the other, at level `magnitude` of 30 (1909.13719).

    The magnitudes are those of torchvision's `RandAugment`.
    """

    kind = "rand_augment"
    purpose = 22
    space = Space(0.3, lambda side: 150 / 331 * side, 30.0, 0.9, 4)

    operations: int = field(default=2, metadata={"least": 1, "most": 16, "also": ("num_ops", "n")})
    magnitude: int = field(default=9, metadata={"least": 0, "most": LEVELS - 1, "also": ("m",)})

    def draw(self, stream: Stream, samples: int) -> dict[str, NDArray[Any]]:
        """`operation` and `level`, int8 `(N, operations)`; `negative`, bool of this shape."""
        words = stream.words(2 * samples * self.operations).reshape(samples, self.operations, 2)
        operation = below(words[..., 0], len(ORDERED)).astype(np.int8)
        level = np.full_like(operation, self.magnitude)
        return {"operation": operation, "level": level, "negative": below(words[..., 1], 2) == 1}
