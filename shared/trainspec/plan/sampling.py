"""Which samples an epoch visits, where it visits small classes more often than large ones."""

import numpy as np
from numpy.typing import NDArray

from trainspec.stream import SAMPLING, Stream

STEPS = 1 << 24  # of a weight: so the last bit of a power, which differs between processors, does not change a plan


def visited(seed: int, epoch: int, labels: NDArray[np.int64], balance: float) -> NDArray[np.int64]:
    """The samples that an epoch visits, int64 `(N,)`, as many as there are `labels`, class by class.

    A class of n samples gets visits in proportion to `n ** (1 - balance)`: with 0 each sample is visited once, with 1
    all classes are visited equally often, with 0.5 by the root of their sizes (1805.00932). Within a class, no sample
    is visited more than once more than another; which ones are is drawn anew in every epoch.
    """
    sizes = np.bincount(labels)
    classes = np.flatnonzero(sizes)
    weights = sizes[classes].astype(np.float64) ** (1 - balance)
    quotas = shared_out(len(labels), np.rint(weights / weights.max() * STEPS).astype(np.int64))
    rounds = -(-quotas // sizes[classes])
    lengths = np.repeat(sizes[classes], rounds)  # of each turn of each class
    words = iter(np.split(Stream(seed, epoch, SAMPLING).words(int(lengths.sum())), np.cumsum(lengths)[:-1]))
    chosen = []
    for number, quota, turns in zip(classes, quotas, rounds, strict=True):
        members = np.flatnonzero(labels == number)
        shuffled = [members[np.argsort(next(words), kind="stable")] for _ in range(turns)]
        chosen.append(np.concatenate([*shuffled, members[:0]])[:quota])
    return np.concatenate(chosen)


def shared_out(count: int, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """`count` in whole parts, in proportion to `weights`: the largest remainders are rounded up."""
    exact = [count * int(weight) for weight in weights]
    total = int(weights.sum())
    parts = np.array([value // total for value in exact], np.int64)
    remainders = np.array([value % total for value in exact], np.int64)
    parts[np.argsort(-remainders, kind="stable")[: count - int(parts.sum())]] += 1
    return parts
