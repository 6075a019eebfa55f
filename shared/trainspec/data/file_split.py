"""A split whose images stay in their files and are decoded when they are needed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainspec.data.decoding import Cut, ImageFile, decode_files
from trainspec.data.form import Form

ALL = 1 << 12  # images that are decoded together by `array`


@dataclass(frozen=True, eq=False)
class Located:
    """Where files are: names inside `root`. `statuses`: `(size, time)` of each, int64 `(N, 2)`; `sha256`, if known."""

    root: Path
    names: Sequence[str]
    statuses: NDArray[np.int64] | None = None
    sha256: Sequence[str] = ()

    def take(self, indices: NDArray[np.integer]) -> "Located":
        """The files at `indices`, in the order of `indices`."""
        chosen = indices.tolist()
        return replace(
            self,
            names=[self.names[index] for index in chosen],
            statuses=None if self.statuses is None else self.statuses[indices],
            sha256=[self.sha256[index] for index in chosen] if self.sha256 else (),
        )

    def files(self) -> list[ImageFile]:
        """The files, for a worker."""
        statuses = [None] * len(self.names) if self.statuses is None else map(tuple, self.statuses.tolist())
        known = self.sha256 or [""] * len(self.names)
        rows = zip(self.names, statuses, known, strict=True)
        return [ImageFile(str(self.root / name), status, sha256) for name, status, sha256 in rows]


@dataclass(frozen=True, eq=False)
class FileSplit:
    """Labelled image files, as a `Split`. Worker processes decode them (`trainspec.data.decoding`).

    Its memory is that of the names and labels. `read` raises `DataError` for a file that is missing or has changed.
    """

    located: Located
    labels: NDArray[np.int64]
    form: Form
    whole = True

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(H, W, C)` of every image that is read."""
        return self.form.shape

    @property
    def classes(self) -> set[int]:
        """The labels that occur."""
        return set(np.unique(self.labels).tolist())

    def take(self, indices: NDArray[np.integer]) -> "FileSplit":
        """The samples at `indices`, in the order of `indices`."""
        return FileSplit(self.located.take(indices), self.labels[indices], self.form)

    def read(self, indices: NDArray[np.integer], cut: Cut | None = None) -> NDArray[np.uint8]:
        """The images at `indices`, uint8 `(B, H, W, C)`; with `cut`, the boxes that are cut out of the whole images."""
        return decode_files(self.located.take(indices).files(), self.form, cut)

    def array(self) -> NDArray[np.uint8]:
        """All images. They must fit into memory."""
        made = np.empty((len(self), *self.shape), np.uint8)
        for start in range(0, len(self), ALL):
            here = np.arange(start, min(start + ALL, len(self)))
            made[here] = self.read(here)
        return made

    @property
    def digest(self) -> str:
        """SHA-256 of the files' names and sizes, of their hashes if they are known, and of their labels, in order."""
        sizes = [] if self.located.statuses is None else self.located.statuses[:, 0].tolist()
        text = repr((list(self.located.names), sizes, list(self.located.sha256), self.labels.tolist()))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
