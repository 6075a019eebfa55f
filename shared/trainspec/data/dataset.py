"""A data set: three splits of uint8 images and integer labels, and the constants that normalise the images."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from deploy.shell import printable
from diptych.errors import DataError
from trainspec.data.decoding import Cut
from trainspec.data.file_split import FileSplit

AnySplit = TypeVar("AnySplit", "ArraySplit", "FileSplit")
Constants = tuple[tuple[float, ...], tuple[float, ...]]  # mean and std per channel, on the 0..1 scale
HASHED = 1 << 12  # images that are read together for a fingerprint
HELD_OUT = 0.1  # share of the training split that is held out: 5,000 of CIFAR's 50,000 images


class Split(Protocol):
    """Images and their labels, int64 `(N,)`: `ArraySplit` in memory, or `FileSplit` in files."""

    @property
    def labels(self) -> NDArray[np.int64]: ...
    @property
    def shape(self) -> tuple[int, int, int]:
        """`(H, W, C)` of every image."""

    @property
    def whole(self) -> bool:
        """Whether `read` can cut boxes out of whole images, before they are resized."""

    @property
    def classes(self) -> set[int]:
        """The labels that occur."""

    def __len__(self) -> int: ...

    def take(self, indices: NDArray[np.integer]) -> "Split":
        """The samples at `indices`, in the order of `indices`."""

    def read(self, indices: NDArray[np.integer], cut: Cut | None = None) -> NDArray[np.uint8]:
        """The images at `indices`, uint8 `(B, H, W, C)`; with `cut`, what is cut out of the whole images."""

    def array(self) -> NDArray[np.uint8]:
        """All images, uint8 `(N, H, W, C)`. They must fit into memory."""

    @property
    def digest(self) -> str:
        """SHA-256 of what tells the images from others, and of their labels, in order."""


@dataclass(frozen=True, eq=False)
class ArraySplit:
    """Images in memory, uint8 `(N, H, W, C)`, and their labels, int64 `(N,)`."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    whole = False

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(H, W, C)` of every image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    @property
    def classes(self) -> set[int]:
        """The labels that occur."""
        return {int(label) for label in np.unique(self.labels)}

    def take(self, indices: NDArray[np.integer]) -> "ArraySplit":
        """The samples at `indices`, in the order of `indices`."""
        return ArraySplit(self.images[indices], self.labels[indices])

    def read(self, indices: NDArray[np.integer], cut: Cut | None = None) -> NDArray[np.uint8]:
        """The images at `indices`. There is nothing to cut: the whole images are not kept."""
        return self.images.take(indices, axis=0)

    def array(self) -> NDArray[np.uint8]:
        """All images, without a copy."""
        return self.images

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the images and of their labels, in order."""
        total = hashlib.sha256(np.ascontiguousarray(self.images).data)
        total.update(np.ascontiguousarray(self.labels).data)
        return total.hexdigest()


@dataclass(frozen=True)
class LeftOut:
    """Files that were left out of a data set for one reason: how many, why, and the first few names."""

    reason: str
    count: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(printable(name) for name in self.names)
        more = ", ..." if self.count > len(self.names) else ""
        return f"{self.count:,} {self.reason} ({names}{more})"


def described(left_out: Sequence[LeftOut]) -> str:
    """What was left out and why, in words."""
    return "; ".join(map(str, left_out)) or "nothing"


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set ready to train on.

    `name` is a slug for folders and recipes, `label` the name for people. `validation` was held out of the training
    split. `test` is never used for tuning. `mean` and `std` are per channel, on the 0..1 scale. `notes` are sentences
    that belong beside every result (how the split was made, the licence). `left_out`: files in the folder or archive
    that were not read. `known_fingerprint`: the fingerprint, where it was worked out before. `sample`: SHA-256 of the
    pixels of a sample of the training images, where these stay in files.
    """

    name: str
    label: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    known_fingerprint: str = ""
    sample: str = ""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(H, W, C)` of every image."""
        return self.train.shape

    @property
    def storage(self) -> Literal["memory", "files"]:
        """Where the images are."""
        return "files" if self.train.whole else "memory"

    def summary(self) -> str:
        """One line: the images and classes of each split, and what was left out and why."""
        train, validation, test = self.train, self.validation, self.test
        return (
            f"train {len(train):,} images of {len(train.classes)} classes, "
            f"validation {len(validation):,} of {len(validation.classes)}, "
            f"test {len(test):,} of {len(test.classes)}; left out: {described(self.left_out)}"
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that an accuracy depends on: the classes in order, the test images and their labels."""
        if self.known_fingerprint:
            return self.known_fingerprint
        total = hashlib.sha256(json.dumps([self.classes, (len(self.test), *self.test.shape)]).encode())
        for start in range(0, len(self.test), HASHED):
            total.update(self.test.read(np.arange(start, min(start + HASHED, len(self.test)))).data)
        total.update(np.ascontiguousarray(self.test.labels).data)
        return total.hexdigest()

    @cached_property
    def train_fingerprint(self) -> str:
        """SHA-256 of what tells the training images from others: their split's digest, and the `sample`."""
        return hashlib.sha256((self.train.digest + self.sample).encode()).hexdigest()


def hold_out(labels: NDArray[np.int64], count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices `(kept, held out)`, both ascending. Exactly `count` are held out, in proportion to the class sizes.

    The samples of each class are shuffled, and each gets its quantile in that order. Those with the lowest quantiles
    are held out. The result depends only on `seed` and on `labels` in their order.
    """
    # Raw Philox words are the same in every version of NumPy. NumPy does not promise this for Generator's methods.
    ticket = np.random.Philox(key=seed).random_raw(len(labels))
    by_class = np.lexsort((ticket, labels))
    sizes = np.bincount(labels)
    starts = np.cumsum(sizes) - sizes
    sorted_labels = labels[by_class]
    quantile = np.empty(len(labels))
    quantile[by_class] = (np.arange(len(labels)) - starts[sorted_labels] + 0.5) / sizes[sorted_labels]
    order = np.lexsort((ticket, quantile))
    return np.sort(order[count:]), np.sort(order[:count])


def hold_out_tenth(labels: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`hold_out` of a tenth of the images, at least one. Every class keeps an image: its only image is never held out.

    Raises `DataError` where every class has only one image.
    """
    several = np.flatnonzero(np.bincount(labels)[labels] > 1)
    if not len(several):
        raise DataError(
            f"too few training images: every class has a single image, and {max(len(labels) - 1, 0)} would remain "
            "after one is held out; add more"
        )
    _, held = hold_out(labels[several], max(1, round(len(several) * HELD_OUT)), seed)
    held = several[held]
    return np.setdiff1d(np.arange(len(labels)), held), held


def with_validation(train: AnySplit, seed: int) -> tuple[AnySplit, AnySplit]:
    """`(train, validation)`: a tenth of the training split, by class and at least one image, becomes validation.

    Every class keeps a training image. Raises `DataError` where this is impossible.
    """
    kept, held = hold_out_tenth(train.labels, seed)
    return train.take(kept), train.take(held)


def channel_statistics(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 `(N, H, W, C)` images, on the 0..1 scale."""
    levels = np.arange(256)
    means, deviations = [], []
    for channel in range(images.shape[-1]):
        # A histogram is exact, and needs no float copy of the images.
        counts = np.bincount(images[..., channel].ravel(), minlength=256)
        mean = float((counts @ levels) / counts.sum())
        variance = float((counts @ (levels - mean) ** 2) / counts.sum())
        means.append(mean / 255)
        deviations.append(max(variance**0.5, 1.0) / 255)  # a constant channel must not divide by zero
    return tuple(means), tuple(deviations)
