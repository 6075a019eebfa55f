"""The plan of an epoch: the order of the samples, and the random draws of every transform, indexed by the sample.

All of it is drawn at once. It depends only on (seed, epoch, purpose) and the number of samples, not on the batch size,
the workers, the device or the framework.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainspec.augment import PARTNER, Draws, Transform
from trainspec.distributions import below
from trainspec.stream import ORDER, Stream

# The dtype and shape of the draws that every digest has: without their names, and zero if the transform is off.
UNNAMED: dict[str, dict[str, tuple[Any, ...]]] = {"crop": {"corner": ("<i2", 2)}, "flip": {"mirrored": ("|b1",)}}


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """How to make one batch of B: `indices` into the data set, int32 `(B,)`, and `draws` by kind, `(B, ...)` each.

    `visits`, int64 `(B,)`, says how often each sample was visited before in this epoch. `seed`, `epoch`, `indices` and
    `visits` decide the noise of the batch (`trainspec.noise`). `partners`: by the kind of a mixing transform, how to
    make the images that are mixed into these. `number` counts the batches of the epoch, from 0.
    """

    seed: int
    epoch: int
    indices: NDArray[np.int32]
    visits: NDArray[np.int64]
    draws: Mapping[str, Draws]
    partners: Mapping[str, "BatchPlan"] = field(default_factory=dict)
    number: int = 0

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True, eq=False)
class EpochPlan:
    """One epoch over N samples.

    `order`, int32 `(N,)`, lists the samples in the order of their visits. `draws` has, by kind, the random arrays of
    each transform that is on. Each array has a row for each sample, in order, and then one for each visit that is not a
    sample's first, in the order of the visits. A `partner` is the row of a visit, int32. `transforms` are those of
    `draws`. `of_batches` yields the draws that belong to whole batches (PatchUp), batch by batch.
    """

    seed: int
    epoch: int
    order: NDArray[np.int32]
    draws: Mapping[str, Draws]
    transforms: tuple[Transform, ...] = ()
    of_batches: Callable[[], Iterable[Draws]] = tuple

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the plan. Runs with equal digests saw the same batches."""
        digest = hashlib.sha256(self.order.astype("<i4").tobytes())
        for kind, arrays in UNNAMED.items():
            for name, (little_endian, *shape) in arrays.items():
                zeros = np.zeros((len(self.order), *shape))
                digest.update(self.draws.get(kind, {name: zeros})[name].astype(little_endian).tobytes())
        for kind, name, array in self._named_draws():
            digest.update(f"{kind}.{name}".encode() + array.astype(array.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def _named_draws(self) -> Iterator[tuple[str, str, NDArray[Any]]]:
        for kind, arrays in self.draws.items():
            if kind not in UNNAMED:
                for name, array in arrays.items():
                    yield kind, name, array
        for arrays in self.of_batches():
            for name, array in arrays.items():
                yield "batch", name, array

    @cached_property
    def visits(self) -> NDArray[np.int64]:
        """For each position in `order`: how often its sample was visited before."""
        places = np.argsort(self.order, kind="stable")
        samples = self.order[places]
        _, first = np.unique(samples, return_index=True)
        visits = np.empty(len(places), np.int64)
        visits[places] = np.arange(len(places)) - np.repeat(first, np.diff([*first, len(places)]))
        return visits

    @cached_property
    def _again(self) -> NDArray[np.int64]:
        """The positions in `order` of visits that are not a sample's first."""
        return np.flatnonzero(self.visits)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """For each position in `order`: the row of its draws."""
        rows = self.order.astype(np.int64)
        rows[self._again] = len(self._samples) - len(self._again) + np.arange(len(self._again))
        return rows

    @cached_property
    def _samples(self) -> NDArray[np.int32]:
        """The sample of each row of the draws."""
        count = max(len(self.order), int(self.order.max(initial=-1)) + 1)
        return np.concatenate([np.arange(count, dtype=np.int32), self.order[self._again]])

    @cached_property
    def _visits(self) -> NDArray[np.int64]:
        """The visit of each row of the draws."""
        first = np.zeros(len(self._samples) - len(self._again), np.int64)
        return np.concatenate([first, self.visits[self._again]])

    def batches(self, batch_size: int, drop_last: bool = False, *, skip: int = 0) -> Iterator[BatchPlan]:
        """The epoch in batches of `batch_size`, without the first `skip` batches.

        The last batch may be smaller. `drop_last` drops it then.
        """
        samples = len(self.order)
        stop = samples - samples % batch_size if drop_last else samples
        for start in range(skip * batch_size, stop, batch_size):
            here = slice(start, start + batch_size)
            batch = self._batch(self.rows[here], self.transforms)
            yield replace(batch, number=start // batch_size)

    def _batch(self, rows: NDArray[np.integer], transforms: tuple[Transform, ...]) -> BatchPlan:
        draws = {
            one.kind: one.of_batch({name: array[rows] for name, array in self.draws[one.kind].items()})
            for one in transforms
        }
        alone = tuple(one for one in transforms if PARTNER not in draws[one.kind])
        partners = {kind: self._batch(arrays[PARTNER], alone) for kind, arrays in draws.items() if PARTNER in arrays}
        return BatchPlan(self.seed, self.epoch, self._samples[rows], self._visits[rows], draws, partners)


def draw_epoch(
    seed: int,
    epoch: int,
    samples: int,
    transforms: Iterable[Transform] = (),
    of_batches: Callable[[], Iterable[Draws]] = tuple,
    visited: NDArray[np.integer] | None = None,
) -> EpochPlan:
    """The plan of epoch `epoch` (from 0) over `samples` images. `transforms` change the images.

    `visited` are the samples to visit, in any order; without it, each one is visited once. A sample that is visited
    again has draws of its own then. Each visit is as likely a partner as any other, so partners have the balance of the
    epoch.
    """
    chosen = tuple(transforms)
    visited = np.arange(samples) if visited is None else visited
    order = visited[np.argsort(Stream(seed, epoch, ORDER).words(len(visited)), kind="stable")].astype(np.int32)
    plan = EpochPlan(seed, epoch, order, {}, chosen, of_batches)
    rows, visits = samples + len(order) - len(np.unique(order)), np.sort(plan.rows).astype(np.int32)
    draws: dict[str, dict[str, NDArray[Any]]] = {
        transform.kind: transform.draw(Stream(seed, epoch, transform.purpose), rows) for transform in chosen
    }
    for drawn in draws.values():
        if PARTNER in drawn:
            drawn[PARTNER] = visits[below(drawn[PARTNER], len(visits))]
    return replace(plan, draws=draws)
