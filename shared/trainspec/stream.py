"""Random words, keyed by their purpose.

Each purpose has its own Philox stream in every epoch, so a new purpose does not change the others. Only raw words are
used: NumPy promises never to change them, but does not promise this for its distributions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Purposes. Each transform in `trainspec.augment` has its own. Never change a number: plans depend on it.
ORDER = 0
NOISE = 3
SAMPLING = 4
PATCHUP = 128  # far from the transforms


@dataclass(frozen=True)
class Stream:
    """The words of one purpose in epoch `epoch` (from 0)."""

    seed: int
    epoch: int
    purpose: int

    @property
    def key(self) -> NDArray[np.uint64]:
        """Philox's key, in two halves of 64 bits."""
        return np.array([self.seed, self.epoch << 8 | self.purpose], np.uint64)

    def words(self, count: int) -> NDArray[np.uint64]:
        """The first `count` words of the stream."""
        words: NDArray[np.uint64] = np.random.Philox(key=self.key).random_raw(count)
        return words
