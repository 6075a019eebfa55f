"""Split a class folder into training, validation and test: reproducible, by class, written as a manifest.

The images are numbered in the order of their paths, in Unicode's form NFC, and drawn with raw Philox words. So a folder
has the same split on every file system and with every version of NumPy.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from deploy.archives import is_archive
from deploy.class_folders import Placed
from deploy.contract import normal_form
from deploy.files import check_outside, make_folder, write_bytes, writing
from deploy.images import read_file
from deploy.shell import printable
from diptych.errors import DataError, StorageError, UsageError
from diptych.stopping import until_stopped
from netspec.init import check_seed
from trainspec.data.dataset import described, hold_out
from trainspec.data.image_files import Folder, labels_of
from trainspec.data.manifest import SPLITS, Manifest

VALIDATION_KEY = 1 << 64  # beside the seed, so that validation and test have streams of their own


@dataclass(frozen=True)
class Shares:
    """The shares of all images for validation and test. The rest is for training."""

    validation: float = 0.1
    test: float = 0.1

    def check(self) -> None:
        """Raise `UsageError` unless all three splits get a share."""
        for name, share in (("validation", self.validation), ("test", self.test)):
            if not 0 < share < 1:
                raise UsageError(f"--{name} {share:g}: give a share above 0 and below 1")
        if self.validation + self.test >= 1:
            raise UsageError(f"--validation {self.validation:g} and --test {self.test:g} leave no images for training")


def draw_split(labels: NDArray[np.int64], shares: Shares, seed: int) -> list[NDArray[np.int64]]:
    """Indices of the images for training, validation and test, each ascending. Classes keep their proportions.

    At least one image is for validation and one for test. A class may end without a training image.
    """
    rest, test = hold_out(labels, max(1, round(len(labels) * shares.test)), seed)
    count = min(max(1, round(len(labels) * shares.validation)), len(rest))
    train, validation = hold_out(labels[rest], count, seed + VALIDATION_KEY)
    return [rest[train], rest[validation], test]


def split_folder(
    folder: Path, shares: Shares | None = None, seed: int = 0, notice: Callable[[str], None] = lambda line: None
) -> Manifest:
    """Split a class folder. Nothing is written. `notice` gets what is left out, in words.

    Raises `UsageError` for shares that leave a split empty and for a negative seed, `DataError` for a folder that
    cannot be split.
    """
    shares = shares or Shares()
    shares.check()
    check_seed(seed, "--seed")
    if is_archive(folder):
        raise DataError(f"{folder}: an archive cannot be split; unpack it and give the folder")
    try:
        files = Folder.open(folder)
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be read ({error.strerror})") from error
    layout, left_out = files.layout()
    notice(described(left_out))
    if "" not in layout.splits:
        raise DataError(f"{folder}: already split into {', '.join(layout.splits)}; give it to --data as it is")
    places = sorted(layout.splits[""], key=lambda place: (normal_form(place.path), place.path))
    labels = labels_of(layout, places)
    drawn = draw_split(labels, shares, seed)
    counts, left = (np.bincount(each, minlength=len(layout.classes)) for each in (labels, labels[drawn[0]]))
    if not left.all():
        number = int(left.argmin())
        raise DataError(
            f"{folder}: of {printable(layout.classes[number])} ({counts[number]} images) none would be left for "
            "training; add images, or give smaller shares"
        )
    sha256 = {place.path: hashlib.sha256(read_file(folder / place.path)).hexdigest() for place in until_stopped(places)}
    splits = {
        split: _by_class(layout.classes, [places[index] for index in indices.tolist()], sha256)
        for split, indices in zip(SPLITS, drawn, strict=True)
    }
    return Manifest(files.title, folder.resolve(), seed, splits)


def _by_class(classes: Sequence[str], places: Sequence[Placed], sha256: dict[str, str]) -> dict[str, dict[str, str]]:
    own = {name: [place.path for place in places if place.class_name == name] for name in classes}
    return {name: {path: sha256[path] for path in paths} for name, paths in own.items() if paths}


def check_target(target: Path, folder: Path) -> None:
    """Raise `StorageError` unless the files of `folder` can be copied into `target`: missing or empty, and outside."""
    check_outside(target, folder)
    with writing(target):
        if target.exists() and any(target.iterdir()):
            raise StorageError(f"{target}: not an empty folder; give another name to --copy")


def copy_split(manifest: Manifest, target: Path) -> None:
    """Copy the files into `<target>/<split>/<class>/`.

    Raises `StorageError` where it cannot be written, `DataError` where a file cannot be read.
    """
    check_target(target, manifest.root)
    with writing(target):
        for split in SPLITS:
            for place in until_stopped(manifest.placed(split)):
                folder = make_folder(target / split / place.class_name)
                write_bytes(folder / PurePosixPath(place.path).name, read_file(manifest.root / place.path))


def table(manifest: Manifest) -> Iterator[str]:
    """The number of images of each class and split, in lines for people; and of those that are there twice."""
    width = max(len(printable(name)) for name in (*manifest.classes, "class"))
    yield f"{'class':<{width}}" + "".join(f"{split:>12}" for split in SPLITS)
    for name in manifest.classes:
        counts = (len(manifest.splits[split].get(name, ())) for split in SPLITS)
        yield f"{printable(name):<{width}}" + "".join(f"{count:>12,}" for count in counts)
    counts = (len(manifest.placed(split)) for split in SPLITS)
    yield f"{'all':<{width}}" + "".join(f"{count:>12,}" for count in counts)
    if twice := shared(manifest):
        yield f"note: {twice:,} {'file has' if twice == 1 else 'files have'} the content of a file in another split"


def shared(manifest: Manifest) -> int:
    """How many files outside the training split have the content of a file in another split."""
    splits = [[sha for paths in manifest.splits[split].values() for sha in paths.values()] for split in SPLITS]
    places = Counter(sha for split in splits for sha in set(split))
    return sum(places[sha] > 1 for split in splits[1:] for sha in split)


def summary(manifest: Manifest, file: Path, left_out: str) -> str:
    """The split in one line of JSON."""
    counts = {split: {name: len(manifest.splits[split].get(name, ())) for name in manifest.classes} for split in SPLITS}
    facts = {"manifest": str(file), "seed": manifest.seed, "images": counts, "shared": shared(manifest)}
    return json.dumps(facts | {"left_out": left_out})
