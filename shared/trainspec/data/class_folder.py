"""A folder, or an archive of one, in which each class has a folder of JPEG and PNG images.

Either `<root>/{train,test[,val|validation]}/<class>/*` or, not yet split, `<root>/<class>/*`. Archives may wrap the
root in one more folder. Classes are numbered in alphabetical order. A set that is not split gets a test split of a
tenth of every class, drawn once and for all from the sorted names, so it is the same on every machine.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from deploy.images import SUFFIXES
from netspec.errors import DataError
from trainspec.data.archives import is_archive, read_archive, stem
from trainspec.data.cache import Notice, cached
from trainspec.data.dataset import DataSet, Split, channel_statistics, hold_out, with_validation
from trainspec.data.images import RESIZE_RULE, decode_all

LABELS = {"cifar10-jpeg": "CIFAR-10 (JPEG)"}  # lossy copies must not pass for the original pixels
SPLIT_FOLDERS = {"train": "train", "test": "test", "val": "validation", "validation": "validation"}
TEST_FRACTION = 0.1
TEST_SEED = 0  # not the run's: runs that differ in their seed are judged on the same images
CACHE_VERSION = 1  # to be raised when decoding or resizing changes what comes out


@dataclass(frozen=True)
class Placed:
    """Where an image belongs: `split` is "" in a set that is not split; `path` is its full name in the set."""

    split: str
    class_name: str
    path: str


def load_class_folder(path: Path, image_size: int, seed: int, notice: Notice) -> DataSet:
    """The data set in the folder or archive `path`, its images uint8 `(N, image_size, image_size, 3)`.

    `seed` draws the validation split, where the set brings none. Raises `DataError` in one line that names the file.
    """
    try:
        key = _fingerprint(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    name = stem(path.resolve())
    arrays = cached(f"{name}-{image_size}px-{key}", lambda: _decode(path, image_size), notice)

    splits = {
        split: Split(arrays[f"{split}_images"].astype(np.uint8, copy=False), arrays[f"{split}_labels"].astype(np.int64))
        for split in ("", *set(SPLIT_FOLDERS.values()))
        if f"{split}_images" in arrays
    }
    notes = [f"Resize rule: {RESIZE_RULE}."]
    if "" in splits:
        kept, held = hold_out(splits[""].labels, max(1, round(len(splits[""]) * TEST_FRACTION)), TEST_SEED)
        splits = {"train": splits[""].take(kept), "test": splits[""].take(held)}
        notes.append(f"Not split by its authors: a tenth of each class ({len(held)} images) was held out as test.")
    if "validation" not in splits:
        splits["train"], splits["validation"] = with_validation(splits["train"], seed)
    mean, std = channel_statistics(splits["train"].images)
    return DataSet(
        name=_slug(name),
        label=LABELS.get(name, name),
        classes=tuple(str(class_name) for class_name in arrays["classes"]),
        **splits,
        mean=mean,
        std=std,
        notes=tuple(notes),
    )


def describe(path: Path) -> tuple[str, str]:
    """The name and the label of the set in `path`, without reading it."""
    name = stem(path.resolve())
    return _slug(name), LABELS.get(name, name)


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-") or "images"


def _decode(path: Path, image_size: int) -> Mapping[str, NDArray[np.generic]]:
    """`classes`, and `<split>_images` and `<split>_labels` for each split that is there, sorted by file name."""
    images: dict[str, NDArray[np.uint8]] = {}
    folders: list[str] = []
    members = read_archive(path) if is_archive(path) else _read_folder(path)
    for name, image in decode_all(_only_images(path, members, folders), image_size):
        if name in images:
            raise DataError(f"{path}: two files of the name {name}; remove one")
        images[name] = image
    root = _root(path, [PurePosixPath(name) for name in images])
    placed = [_place(path, name, root) for name in sorted(images)]
    classes = _classes(path, placed, folders, root)
    arrays: dict[str, NDArray[np.generic]] = {"classes": np.array(classes)}
    for split in {place.split for place in placed}:
        members_of = [place for place in placed if place.split == split]
        arrays[f"{split}_images"] = np.stack([images[place.path] for place in members_of])
        arrays[f"{split}_labels"] = np.array([classes.index(place.class_name) for place in members_of])
    return arrays


def _read_folder(path: Path) -> Iterator[tuple[str, bytes | None]]:
    for name in _listing(path):
        yield name.relative_to(path).as_posix(), None if name.is_dir() else name.read_bytes()


def _listing(folder: Path, depth: int = 4) -> list[Path]:
    """Everything below `folder`, sorted; hidden names left out; links to folders are followed, but not for ever."""
    found = []
    for entry in sorted(folder.iterdir()):
        if not entry.name.startswith("."):
            found.append(entry)
            if entry.is_dir() and depth > 1:
                found += _listing(entry, depth - 1)
    return found


def _only_images(
    path: Path, members: Iterable[tuple[str, bytes | None]], folders: list[str]
) -> Iterator[tuple[str, bytes]]:
    """The images among `members`; the names of the folders are added to `folders` on the way."""
    for member, content in members:
        name = PurePosixPath(member)
        if any(part.startswith(".") or part == "__MACOSX" for part in name.parts):
            continue
        if content is None:
            folders.append(name.as_posix())
        elif name.suffix.lower() in SUFFIXES:
            yield name.as_posix(), content
        elif name.suffix.lower() in (".gif", ".bmp", ".webp", ".tif", ".tiff"):
            raise DataError(f"{path}: {name} is neither JPEG nor PNG; convert or remove it")


def _root(path: Path, names: list[PurePosixPath]) -> PurePosixPath:
    """The folder that holds the splits or the classes: at the top, or one below it."""
    if not names:
        raise DataError(f"{path}: no JPEG or PNG images inside; expected <class>/<image> or train/<class>/<image>")
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
    raise DataError(f"{path}: {name} is not in a class folder; expected <class>/<image> or train/<class>/<image>")


def _classes(path: Path, placed: list[Placed], folders: list[str], root: PurePosixPath) -> list[str]:
    """The class names in alphabetical order, once every split is known to hold images of every class."""
    counts = Counter((place.split, place.class_name) for place in placed)
    splits = {split for split, _ in counts}
    if "" in splits and len(splits) > 1:
        raise DataError(f"{path}: class folders both beside and inside train/; put all of them inside")
    if "" not in splits and not {"train", "test"} <= splits:
        there = ", ".join(sorted(splits))
        raise DataError(f"{path}: a split set needs train/ and test/, found {there}; name or add what is missing")
    for folder in sorted(folders):
        _refuse_empty_class(path, PurePosixPath(folder), root, counts)
    classes = sorted({class_name for _, class_name in counts})
    for split in sorted(splits):
        missing = [class_name for class_name in classes if not counts[split, class_name]]
        if missing:
            raise DataError(
                f"{path}: the splits have different classes: {split}/ has no {missing[0]}; "
                "give every split the same class folders"
            )
    if len(classes) < 2:
        raise DataError(f"{path}: only one class, {classes[0]}; a classifier needs at least two class folders")
    return classes


def _refuse_empty_class(
    path: Path, folder: PurePosixPath, root: PurePosixPath, counts: Counter[tuple[str, str]]
) -> None:
    if not folder.is_relative_to(root):
        return
    parts = folder.relative_to(root).parts
    split = SPLIT_FOLDERS.get(parts[0], "") if parts else ""
    is_class = len(parts) == (2 if split else 1)
    if is_class and not counts[split, parts[-1]]:
        raise DataError(f"{path}: the class folder {folder} holds no JPEG or PNG image; fill or remove it")


def _fingerprint(path: Path) -> str:
    """Changes when any file of the set does, as far as names, sizes and times tell."""
    files = [path] if is_archive(path) else _listing(path)
    lines = [f"{CACHE_VERSION} {RESIZE_RULE} {path.resolve()}"]
    for file in files:
        status = file.stat()
        lines.append(f"{file.as_posix()} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
