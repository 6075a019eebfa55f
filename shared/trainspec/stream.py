"""Random words, keyed by what they are for.

Each purpose has a Philox stream of its own in every epoch, so that a new purpose changes none of the others. Only raw
words are used: NumPy promises them for ever, but not its distributions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Purposes. Each transform of `trainspec.augment` has another one. Never change a number: plans depend on it.
ORDER = 0
NOISE = 3


@dataclass(frozen=True)
class Stream:
    """The words of one purpose in epoch `epoch`, from 0."""

    seed: int
    epoch: int
    purpose: int

    @property
    def key(self) -> NDArray[np.uint64]:
        """Philox's key, with 64 bits for each half."""
        return np.array([self.seed, self.epoch << 8 | self.purpose], np.uint64)

    def words(self, count: int) -> NDArray[np.uint64]:
        """The first `count` words of the stream."""
        words: NDArray[np.uint64] = np.random.Philox(key=self.key).random_raw(count)
        return words
