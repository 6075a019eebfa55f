"""The plan of an epoch: order, crops and flips, all drawn at once and indexed by the sample.

The plan depends on (seed, epoch, purpose) and the number of samples alone: not on the batch size, the workers, the
device or the framework. Each purpose has a Philox stream of its own, so a new one changes none of the others. Only
raw Philox words are used: NumPy promises them for ever, and its distributions not.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


class Purpose(IntEnum):
    """What a random stream is for. A number is part of every plan's digest: never change one."""

    ORDER = 0
    CROP = 1
    FLIP = 2
    NOISE = 3


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """How to make one batch of B: data-set `indices` int32 `(B,)`, `crops` int16 `(B, 2)`, `flips` bool `(B,)`.

    `visits` int64 `(B,)`: how often each sample was visited before in the epoch. With it, `seed` and `epoch` decide the
    noise of the batch (`trainspec.noise`).
    """

    seed: int
    epoch: int
    indices: NDArray[np.int32]
    visits: NDArray[np.int64]
    crops: NDArray[np.int16]
    flips: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True, eq=False)
class EpochPlan:
    """One epoch over N samples.

    `order`, int32 `(N,)`, lists the samples as they are visited. `crops`, int16 `(N, 2)`, and `flips`, bool `(N,)`, are
    indexed by the sample: the row and column of the crop's corner in the padded image, and whether to mirror it.
    """

    seed: int
    epoch: int
    order: NDArray[np.int32]
    crops: NDArray[np.int16]
    flips: NDArray[np.bool_]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the plan: runs with equal digests saw the same batches."""
        digest = hashlib.sha256()
        for array, little_endian in ((self.order, "<i4"), (self.crops, "<i2"), (self.flips, "|b1")):
            digest.update(array.astype(little_endian).tobytes())
        return digest.hexdigest()

    @cached_property
    def visits(self) -> NDArray[np.int64]:
        """For each place in the order, how often its sample was visited before."""
        places = np.argsort(self.order, kind="stable")
        samples = self.order[places]
        _, first = np.unique(samples, return_index=True)
        visits = np.empty(len(places), np.int64)
        visits[places] = np.arange(len(places)) - np.repeat(first, np.diff([*first, len(places)]))
        return visits

    def batches(self, batch_size: int, drop_last: bool = False, *, skip: int = 0) -> Iterator[BatchPlan]:
        """The epoch in batches of `batch_size`, without the first `skip`.

        The last one may be smaller, unless it is dropped.
        """
        samples = len(self.order)
        stop = samples - samples % batch_size if drop_last else samples
        for start in range(skip * batch_size, stop, batch_size):
            here = slice(start, start + batch_size)
            indices = self.order[here]
            yield BatchPlan(self.seed, self.epoch, indices, self.visits[here], self.crops[indices], self.flips[indices])


def draw_epoch(seed: int, epoch: int, samples: int, *, padding: int, flip: bool) -> EpochPlan:
    """The plan of epoch `epoch` (from 0) over `samples` images.

    `padding`: pixels added on every side before an image of the old size is cropped out at random; 0 leaves it alone.
    `flip`: whether to mirror half of the images left to right.
    """
    crops = np.zeros((samples, 2), np.int16)
    if padding:
        words = _words(seed, epoch, Purpose.CROP, 2 * samples).reshape(samples, 2)
        crops = (words % np.uint64(2 * padding + 1)).astype(np.int16)
    flips = np.zeros(samples, np.bool_)
    if flip:
        flips = _words(seed, epoch, Purpose.FLIP, samples) % np.uint64(2) == 1
    order = np.argsort(_words(seed, epoch, Purpose.ORDER, samples), kind="stable").astype(np.int32)
    return EpochPlan(seed, epoch, order, crops, flips)


def stream_key(seed: int, epoch: int, purpose: Purpose) -> NDArray[np.uint64]:
    """The key of the Philox stream of (seed, epoch, purpose), with 64 bits for each half."""
    return np.array([seed, epoch << 8 | purpose], np.uint64)


def _words(seed: int, epoch: int, purpose: Purpose, count: int) -> NDArray[np.uint64]:
    """`count` random uint64 of a stream."""
    words: NDArray[np.uint64] = np.random.Philox(key=stream_key(seed, epoch, purpose)).random_raw(count)
    return words
