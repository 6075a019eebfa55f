"""Work out the split and the class of each image of a class folder from its path."""

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from deploy.class_folders import EXPECTED, SPLIT_FOLDERS, Placed, place_images, split_of
from deploy.contract import normal_form, problem_of_name
from deploy.shell import printable
from diptych.errors import DataError
from trainspec.data.listing import Listing

NO_TEST = "there is no test/: the validation images are the test, and a tenth of train/ is held out for validation"
SPLITS = ("", *dict.fromkeys(SPLIT_FOLDERS.values()))  # "" in a set that is not split


@dataclass(frozen=True)
class Layout:
    """The class names in alphabetical order, and the images of each split, sorted by name. `note` is for people."""

    classes: list[str]
    splits: dict[str, list[Placed]]
    note: str = ""


def read_layout(path: Path, listing: Listing) -> Layout:
    """The splits and classes of a listed set. Without `test/` the validation images are the test, as of ImageNet.

    Raises `DataError`, in one line, where the paths do not form splits and classes.
    """
    if not listing.images:
        raise DataError(f"{path}: no JPEG, PNG or WebP images found; {EXPECTED}")
    root, placed = place_images(path, sorted(listing.images, key=lambda name: (normal_form(name), name)))
    classes = _classes(path, placed, listing.folders, root)
    found = {split: [place for place in placed if place.split == split] for split in SPLITS}
    splits = {split: places for split, places in found.items() if places}
    if "" in splits or "test" in splits:
        return Layout(classes, splits)
    return Layout(classes, {"train": splits["train"], "test": splits["validation"]}, NO_TEST)


def _classes(path: Path, placed: list[Placed], folders: list[str], root: PurePosixPath) -> list[str]:
    """The class names in alphabetical order. Raises `DataError` unless every class has training images."""
    counts = Counter((place.split, place.class_name) for place in placed)
    splits = {split for split, _ in counts}
    if "" not in splits and not ("train" in splits and splits & {"test", "validation"}):
        there = ", ".join(sorted(splits))
        raise DataError(
            f"{path}: a split set needs train/ and test/ or val/, but only {there} was found; rename or add the other"
        )
    for folder in sorted(folders):
        _refuse_empty_class(path, PurePosixPath(folder), root, counts)
    classes = sorted({class_name for _, class_name in counts})
    _refuse_names(path, classes)
    _refuse_alike(path, placed)
    if class_name := untrained(classes, {name for split, name in counts if split in ("", "train")}):
        raise DataError(
            f"{path}: train/ has no {printable(class_name)}, which another split has; give train/ images of every class"
        )
    if len(classes) < 2:
        raise DataError(
            f"{path}: only one class, {printable(classes[0])}; a classifier needs at least two class folders"
        )
    return classes


def untrained(classes: Iterable[str], trained: Container[str]) -> str:
    """The first of `classes` that is not among those with training images; "" if all are.

    A network learns the classes of its training images. The other splits may lack some of them.
    """
    return next((class_name for class_name in classes if class_name not in trained), "")


def _refuse_names(path: Path, classes: list[str]) -> None:
    """Raise `DataError` for class names that a model cannot have."""
    for name in classes:
        if problem := problem_of_class(name):
            raise DataError(f"{path}: the class folder {printable(name)[:80]!r} has a name that {problem}; rename it")


def problem_of_class(name: str) -> str:
    """Why a class of a data set cannot have this name, to be said after it; "" if it can."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "is not UTF-8"
    return problem_of_name(name)


def _refuse_alike(path: Path, placed: list[Placed]) -> None:
    """Raise `DataError` for two class folders of a split that look the same to people."""
    folders: dict[tuple[str, str], str] = {}
    for place in placed:
        name = PurePosixPath(place.path).parts[-2]
        other = folders.setdefault((place.split, place.class_name), name)
        if other != name:
            raise DataError(
                f"{path}: two class folders are named {printable(name)}, in two Unicode forms ({other!a}, {name!a}); "
                "rename or merge them"
            )


def _refuse_empty_class(
    path: Path, folder: PurePosixPath, root: PurePosixPath, counts: Counter[tuple[str, str]]
) -> None:
    if not folder.is_relative_to(root):
        return
    parts = folder.relative_to(root).parts
    split = split_of(parts[0]) if parts else ""
    is_class = len(parts) == (2 if split else 1)
    if is_class and not counts[split, normal_form(parts[-1])]:
        raise DataError(
            f"{path}: the class folder {printable(folder.as_posix())} has no JPEG, PNG or WebP image; fill or remove it"
        )
