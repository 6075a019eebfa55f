"""Read a class folder, or an archive of one: each class has its own folder of JPEG, PNG and WebP images.

The paths are `<root>/{train,test[,val|validation]}/<class>/*` or, without splits, `<root>/<class>/*`. The root may be
inside one more folder. Classes are numbered in alphabetical order. Without splits, a tenth of each class becomes the
test split. It is drawn from the sorted names with a fixed seed, so it is the same on every machine. Every class keeps
a training image.
"""

import hashlib
import json
import os
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.errors import ImageError
from deploy.images import MAX_BYTES, read_file
from deploy.shell import printable
from deploy.walking import Entry, walk
from diptych.errors import DataError
from diptych.stopping import until_stopped
from trainspec.data.archives import is_archive, read_archive, stem
from trainspec.data.cache import Arrays, Notice, cached
from trainspec.data.dataset import (
    DataSet,
    LeftOut,
    Split,
    channel_statistics,
    hold_out_tenth,
    with_validation,
)
from trainspec.data.form import Form
from trainspec.data.images import decode_all
from trainspec.data.layout import SPLITS, Layout, read_layout
from trainspec.data.listing import list_archive, list_folder, member_name
from trainspec.data.memory import require_memory

LABELS = {"cifar10-jpeg": "CIFAR-10 (JPEG)"}  # lossy copies must not pass for the original pixels
TEST_SEED = 0  # not the run's seed: all runs are tested on the same images
CACHE_VERSION = 2  # raise it when decoding or resizing gives other pixels
LONGEST_NAME = 60  # letters of a set's name in the names of runs and cache entries


def load_class_folder(path: Path, form: Form, seed: int, notice: Notice) -> DataSet:
    """The data set in the folder or archive `path`, with images uint8 `(N, size, size, channels)`.

    `seed` draws the validation split if the set does not have one. Raises `DataError` in one line that names the file.
    """
    try:
        entries = [] if is_archive(path) else list(until_stopped(walk(path)))
        key = _fingerprint(path, entries, form)
    except OSError as error:
        raise DataError(f"{error.filename or path}: cannot be read ({error.strerror})") from error
    name, label = describe(path)
    arrays = cached(
        f"{name}-{form.size}px-{key}",
        lambda: _decode(path, entries, form, label),
        lambda arrays: _is_right(arrays, form),
        notice,
    )
    classes, left_out = _read_facts(arrays)
    splits = {
        split: Split(arrays[f"{split}_images"].astype(np.uint8, copy=False), arrays[f"{split}_labels"].astype(np.int64))
        for split in SPLITS
        if f"{split}_images" in arrays
    }
    notes = [*form.notes]
    if "" in splits:
        kept, held = hold_out_tenth(splits[""].labels, TEST_SEED)
        splits = {"train": splits[""].take(kept), "test": splits[""].take(held)}
        notes.append(f"Not split by its authors: a tenth of each class ({len(held)} images) was held out as test.")
    if "validation" not in splits:
        splits["train"], splits["validation"] = with_validation(splits["train"], seed)
    mean, std = channel_statistics(splits["train"].images)
    return DataSet(
        name=name, label=label, classes=classes, **splits, mean=mean, std=std, notes=tuple(notes), left_out=left_out
    )


def describe(path: Path) -> tuple[str, str]:
    """The name and the label of the set in `path`. The set is not read."""
    name = stem(path.resolve())
    slug = "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-")
    return slug[:LONGEST_NAME] or "images", LABELS.get(name, printable(name) or "images")


def _decode(path: Path, entries: list[Entry], form: Form, label: str) -> Arrays:
    """`facts`, and for each split of the set `<split>_images` and `<split>_labels`, sorted by file name."""
    listing = list_archive(path) if is_archive(path) else list_folder(path, entries)
    layout = read_layout(path, listing)
    require_memory(label, len(listing.images), form)
    arrays: dict[str, NDArray[Any]] = {"facts": _facts(layout, listing.left_out)}
    rows: dict[str, NDArray[np.uint8]] = {}
    for split, places in layout.splits.items():
        images = np.empty((len(places), *form.shape), np.uint8)
        arrays[f"{split}_images"] = images
        arrays[f"{split}_labels"] = np.array([layout.classes.index(place.class_name) for place in places], np.int64)
        rows |= {place.path: row for place, row in zip(places, images, strict=True)}
    names: list[str] = []
    contents = _archive_contents(path, rows.keys(), names) if is_archive(path) else _contents(path, sorted(rows), names)
    for number, (_, image) in enumerate(decode_all(contents, form)):
        rows.pop(names[number])[:] = image
    if rows:
        raise DataError(f"{path}: {printable(min(rows))} was removed while the data were read; start again")
    return arrays


def _contents(path: Path, wanted: list[str], names: list[str]) -> Iterator[tuple[str, bytes]]:
    """`(name for messages, content)` of each wanted image. Its path inside the set is appended to `names`."""
    for name in wanted:
        try:
            content = read_file(path / name)
        except ImageError as error:
            raise DataError(printable(str(error))) from error
        names.append(name)
        yield f"{path}/{printable(name)}", content


def _archive_contents(path: Path, wanted: Container[str], names: list[str]) -> Iterator[tuple[str, bytes]]:
    for name, content in read_archive(path, lambda name: member_name(name) in wanted, MAX_BYTES):
        names.append(member_name(name))
        yield f"{path}: {printable(name)}", content


def _facts(layout: Layout, left_out: tuple[LeftOut, ...]) -> NDArray[np.uint8]:
    """Class names and what was left out, as JSON: an array of text could lose the end of a name."""
    facts = {"classes": layout.classes, "left_out": [[part.reason, part.count, part.names] for part in left_out]}
    return np.frombuffer(json.dumps(facts).encode(), np.uint8)


def _read_facts(arrays: Arrays) -> tuple[tuple[str, ...], tuple[LeftOut, ...]]:
    facts = json.loads(arrays["facts"].tobytes())
    left_out = (LeftOut(str(reason), int(count), tuple(map(str, names))) for reason, count, names in facts["left_out"])
    return tuple(map(str, facts["classes"])), tuple(left_out)


def _is_right(arrays: Arrays, form: Form) -> bool:
    """Whether arrays from the cache have the form that `_decode` makes. May raise anything if they do not."""
    classes, _ = _read_facts(arrays)
    splits = [key.removesuffix("_images") for key in arrays if key.endswith("_images")]
    if len(set(classes)) < 2 or ("" in splits) == ({"train", "test"} <= set(splits)):
        return False
    for split in splits:
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        if images.dtype != np.uint8 or images.shape != (len(labels), *form.shape):
            return False
        if labels.dtype != np.int64 or labels.ndim != 1 or set(labels.tolist()) != set(range(len(classes))):
            return False
    return len(arrays) == 1 + 2 * len(splits) and set(splits) <= set(SPLITS)


def _fingerprint(path: Path, entries: list[Entry], form: Form) -> str:
    """A hash that changes when a file of the set changes, judged by names, sizes and times."""
    status = path.stat()
    lines = [f"{CACHE_VERSION} {form.rule} {form.color_rule} {path.resolve()}"]
    if is_archive(path):
        lines.append(f"{status.st_size} {status.st_mtime_ns}")
    lines += [f"{entry.name!r} {entry.reason} {entry.status}" for entry in entries]
    return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()[:16]
