"""The image files of a data set, before they are decoded: in a folder, in an archive, or as a manifest lists them."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from deploy.archives import is_archive, read_archive, stem
from deploy.class_folders import Placed
from deploy.images import MAX_BYTES, read_file
from deploy.shell import printable
from deploy.walking import Entry, walk
from diptych.errors import DataError
from diptych.stopping import until_stopped
from trainspec.data.dataset import LeftOut
from trainspec.data.file_split import Located
from trainspec.data.layout import Layout, read_layout
from trainspec.data.listing import list_archive, list_folder, member_name, not_listed
from trainspec.data.manifest import SPLITS, Manifest, is_manifest

LABELS = {"cifar10-jpeg": "CIFAR-10 (JPEG)"}  # lossy copies must not pass for the original pixels
LONGEST_NAME = 60  # letters of a set's name in the names of runs and cache entries


class ImageFiles(Protocol):
    """The images of a set. `path` is the folder or archive that they are in, or the manifest; `title` is its name."""

    @property
    def path(self) -> Path: ...
    @property
    def title(self) -> str: ...
    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that belong beside every result."""

    def signature(self) -> Iterator[str]:
        """Lines that change when a file of the set changes, judged by names, sizes and times."""

    def layout(self) -> tuple[Layout, tuple[LeftOut, ...]]:
        """The classes and splits, and what was left out. Raises `DataError`."""

    def contents(self, wanted: Collection[str]) -> Iterator[tuple[str, str, bytes]]:
        """`(path inside the set, name for messages, content)` of each wanted image. Raises `DataError`."""

    @property
    def count(self) -> int:
        """How many images there are at most; 0 if they are not files of their own."""

    def located(self, places: Sequence[Placed]) -> Located:
        """The files of images. Raises `DataError` where they are in an archive."""


@dataclass(frozen=True)
class Folder:
    """The images below a folder."""

    path: Path
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: Path) -> Self:
        """List a folder. Its images are not read. Raises `OSError`."""
        return cls(path, tuple(until_stopped(walk(path))))

    @property
    def title(self) -> str:
        return title_of(self.path)

    def signature(self) -> Iterator[str]:
        yield str(self.path.resolve())
        for entry in self.entries:
            yield f"{entry.name!r} {entry.reason} {entry.status}"

    def layout(self) -> tuple[Layout, tuple[LeftOut, ...]]:
        listing = list_folder(self.path, list(self.entries))
        return read_layout(self.path, listing), listing.left_out

    def contents(self, wanted: Collection[str]) -> Iterator[tuple[str, str, bytes]]:
        for name in sorted(wanted):
            yield name, f"{self.path}/{printable(name)}", read_file(self.path / name)

    @property
    def count(self) -> int:
        return sum(not entry.is_folder and not entry.reason for entry in self.entries)

    def located(self, places: Sequence[Placed]) -> Located:
        known = {entry.name: entry.status for entry in self.entries}
        names = [place.path for place in places]
        return Located(self.path, names, np.array([known[name] for name in names], np.int64).reshape(-1, 2))


@dataclass(frozen=True)
class Archive:
    """The images in an archive."""

    path: Path
    status: tuple[int, int]
    notes: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Note the archive's size and time. Raises `OSError`."""
        status = path.stat()
        return cls(path, (status.st_size, status.st_mtime_ns))

    @property
    def title(self) -> str:
        return title_of(self.path)

    def signature(self) -> Iterator[str]:
        yield str(self.path.resolve())
        yield "{} {}".format(*self.status)

    def layout(self) -> tuple[Layout, tuple[LeftOut, ...]]:
        listing = list_archive(self.path)
        return read_layout(self.path, listing), listing.left_out

    def contents(self, wanted: Collection[str]) -> Iterator[tuple[str, str, bytes]]:
        for name, content in read_archive(self.path, lambda name: member_name(name) in wanted, MAX_BYTES):
            yield member_name(name), f"{self.path}: {printable(name)}", content

    @property
    def count(self) -> int:
        return 0

    def located(self, places: Sequence[Placed]) -> Located:
        raise DataError(f"{self.path}: images in an archive are read into memory; unpack it and give the folder")


@dataclass(frozen=True)
class Listed:
    """The images that a manifest lists. A file that is missing, or is another one, is refused.

    `entries` is everything in the folder of the images, for what the manifest leaves out.
    """

    path: Path
    manifest: Manifest
    sha256: dict[str, str]
    entries: tuple[Entry, ...]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read a manifest and list its folder. Raises `DataError`, and `OSError` for a folder that cannot be read."""
        manifest = Manifest.read(path)
        if not manifest.root.is_dir():
            raise DataError(f"{path}: the folder of its images, {manifest.root}, is not there; move them together")
        return cls(path, manifest, manifest.sha256, tuple(until_stopped(walk(manifest.root))))

    @property
    def title(self) -> str:
        return self.manifest.name

    @property
    def notes(self) -> tuple[str, ...]:
        return (f"Split by the manifest {printable(self.path.name)}, with seed {self.manifest.seed}.",)

    def signature(self) -> Iterator[str]:
        yield str(self.path.resolve())
        for place in (place for split in SPLITS for place in self.manifest.placed(split)):
            try:
                status = (self.manifest.root / place.path).stat()
            except OSError as error:
                raise self._refused(place.path, f"cannot be read ({error.strerror})") from None
            yield f"{place} {self.sha256[place.path]} {(status.st_size, status.st_mtime_ns)}"
        for entry in self.entries:
            if entry.name not in self.sha256:
                yield f"{entry.name!r} {entry.reason} {entry.status}"

    def layout(self) -> tuple[Layout, tuple[LeftOut, ...]]:
        layout = Layout(self.manifest.classes, {split: self.manifest.placed(split) for split in SPLITS})
        return layout, not_listed(self.entries, self.sha256)

    def contents(self, wanted: Collection[str]) -> Iterator[tuple[str, str, bytes]]:
        for name in sorted(wanted):
            content = read_file(self.manifest.root / name)
            if hashlib.sha256(content).hexdigest() != self.sha256[name]:
                raise self._refused(name, "has changed (its SHA-256 differs)")
            yield name, f"{self.manifest.root}/{printable(name)}", content

    @property
    def count(self) -> int:
        return len(self.sha256)

    def located(self, places: Sequence[Placed]) -> Located:
        names = [place.path for place in places]
        return Located(self.manifest.root, names, sha256=[self.sha256[name] for name in names])

    def _refused(self, name: str, what: str) -> DataError:
        place = f"{self.manifest.root}/{printable(name)}"
        return DataError(f"{place}: {what} since {self.path} listed it; restore it, or split the folder again")


def open_images(path: Path) -> ImageFiles:
    """The image files of a folder, an archive or a manifest, by the path's suffix. Raises `DataError`."""
    kind = Archive if is_archive(path) else Listed if is_manifest(path) else Folder
    try:
        return kind.open(path)
    except OSError as error:
        raise DataError(f"{error.filename or path}: cannot be read ({error.strerror})") from error


def title_of(path: Path) -> str:
    """The title of the set in `path`. Its images are not listed. Raises `DataError` for a damaged manifest."""
    return Manifest.read(path).name if is_manifest(path) else stem(path.resolve())


def described(title: str) -> tuple[str, str]:
    """The name and the label of a set with this title."""
    slug = "".join(letter if letter.isalnum() else "-" for letter in title.lower()).strip("-")
    return slug[:LONGEST_NAME] or "images", LABELS.get(title, printable(title) or "images")


def labels_of(layout: Layout, places: Sequence[Placed]) -> NDArray[np.int64]:
    """The number of each image's class, `(N,)`."""
    number = {name: place for place, name in enumerate(layout.classes)}
    return np.array([number[place.class_name] for place in places], np.int64)
