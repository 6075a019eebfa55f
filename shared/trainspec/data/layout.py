"""Work out the split and the class of each image of a class folder from its path."""

import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from deploy.shell import printable
from diptych.errors import DataError
from trainspec.data.listing import Listing

SPLIT_FOLDERS = {"train": "train", "test": "test", "val": "validation", "validation": "validation"}
SPLITS = ("", *dict.fromkeys(SPLIT_FOLDERS.values()))  # "" in a set that is not split


@dataclass(frozen=True)
class Placed:
    """The split and class of an image. `path` is its path inside the set."""

    split: str
    class_name: str
    path: str


@dataclass(frozen=True)
class Layout:
    """The class names in alphabetical order, and the images of each split, sorted by name."""

    classes: list[str]
    splits: dict[str, list[Placed]]


def read_layout(path: Path, listing: Listing) -> Layout:
    """The splits and classes of a listed set. Raises `DataError`, in one line, where the paths do not form them."""
    root = _root(path, [PurePosixPath(name) for name in listing.images])
    placed = [_place(path, name, root) for name in sorted(listing.images)]
    classes = _classes(path, placed, listing.folders, root)
    splits = {split: [place for place in placed if place.split == split] for split in SPLITS}
    return Layout(classes, {split: places for split, places in splits.items() if places})


def _root(path: Path, names: list[PurePosixPath]) -> PurePosixPath:
    """The folder with the splits or the classes: the top of the set, or the only folder in it."""
    if not names:
        raise DataError(f"{path}: no JPEG, PNG or WebP images found; expected <class>/<image> or train/<class>/<image>")
    tops = {name.parts[0] for name in names}
    top = tops.pop()
    wrapped = not tops and top not in SPLIT_FOLDERS and all(len(name.parts) > 2 for name in names)
    return PurePosixPath(top) if wrapped else PurePosixPath()


def _place(path: Path, name: str, root: PurePosixPath) -> Placed:
    parts = PurePosixPath(name).relative_to(root).parts
    if len(parts) == 3 and parts[0] in SPLIT_FOLDERS:
        return Placed(SPLIT_FOLDERS[parts[0]], parts[1], name)
    if len(parts) == 2 and parts[0] not in SPLIT_FOLDERS:
        return Placed("", parts[0], name)
    raise DataError(
        f"{path}: {printable(name)} is not in a class folder; expected <class>/<image> or train/<class>/<image>"
    )


def _classes(path: Path, placed: list[Placed], folders: list[str], root: PurePosixPath) -> list[str]:
    """The class names in alphabetical order. Raises `DataError` unless every split has images of every class."""
    counts = Counter((place.split, place.class_name) for place in placed)
    splits = {split for split, _ in counts}
    if "" in splits and len(splits) > 1:
        raise DataError(f"{path}: class folders both beside and inside train/; move all of them into train/")
    if "" not in splits and not {"train", "test"} <= splits:
        there = ", ".join(sorted(splits))
        raise DataError(
            f"{path}: a split set needs train/ and test/, but only {there} was found; rename or add the other one"
        )
    for folder in sorted(folders):
        _refuse_empty_class(path, PurePosixPath(folder), root, counts)
    classes = sorted({class_name for _, class_name in counts})
    _refuse_names(path, classes)
    for split in sorted(splits):
        missing = [class_name for class_name in classes if not counts[split, class_name]]
        if missing:
            raise DataError(
                f"{path}: the splits have different classes: {split}/ has no {printable(missing[0])}; "
                "give every split the same class folders"
            )
    if len(classes) < 2:
        raise DataError(
            f"{path}: only one class, {printable(classes[0])}; a classifier needs at least two class folders"
        )
    return classes


def _refuse_names(path: Path, classes: list[str]) -> None:
    """Raise `DataError` for class names that cannot be encoded as UTF-8, or that look the same to people."""
    alike: dict[str, str] = {}
    for name in classes:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{path}: the class folder {printable(name)} has a name that is not UTF-8; rename it"
            ) from None
        other = alike.setdefault(unicodedata.normalize("NFC", name), name)
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
    split = SPLIT_FOLDERS.get(parts[0], "") if parts else ""
    is_class = len(parts) == (2 if split else 1)
    if is_class and not counts[split, parts[-1]]:
        raise DataError(
            f"{path}: the class folder {printable(folder.as_posix())} has no JPEG, PNG or WebP image; fill or remove it"
        )
