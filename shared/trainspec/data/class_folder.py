"""Read a class folder, an archive of one, or the files of a manifest: JPEG, PNG and WebP images, labelled by folders.

The paths are `<root>/<split>/<class>/*`, with the splits of `SPLIT_FOLDERS`, or without splits `<root>/<class>/*`. The
root may be inside one more folder. Classes are numbered in alphabetical order. Without `test/`, the validation images
are the test. Without splits, a tenth of each class becomes the test split. It is drawn from the sorted names with a
fixed seed, so it is the same on every machine. Every class keeps a training image.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.shell import printable
from diptych.errors import DataError
from trainspec.data.cache import Arrays, Notice, cached
from trainspec.data.dataset import (
    AnySplit,
    ArraySplit,
    DataSet,
    LeftOut,
    channel_statistics,
    hold_out_tenth,
    with_validation,
)
from trainspec.data.file_split import FileSplit
from trainspec.data.form import Form
from trainspec.data.image_files import ImageFiles, described, labels_of
from trainspec.data.images import decode_all
from trainspec.data.layout import SPLITS, Layout
from trainspec.data.memory import require_memory, stays_in_files

TEST_SEED = 0  # not the run's seed: all runs are tested on the same images
CACHE_VERSION = 4  # raise it when decoding or resizing gives other pixels, or paths another order or other classes
MEASURED = 2048  # training images in files by which these are normalised, and known again: their mean, deviation, hash


def load_class_folder(files: ImageFiles, form: Form, seed: int, notice: Notice) -> DataSet:
    """The data set in image files, with images uint8 `(N, size, size, channels)`, in memory or in files.

    `seed` draws the validation split if the set does not have one. Raises `DataError` in one line that names the file.
    """
    name, label = described(files.title)
    entry = f"{name}-{form.size}px-{_fingerprint(files, form)}"
    if stays_in_files(label, files.count, form, notice):
        return _load_from_files(files, form, seed, f"{entry}-{seed}", notice)
    form = replace(form, storage="memory")
    arrays: Mapping[str, NDArray[Any]] = cached(
        entry, lambda: _decode(files, form, label), lambda arrays: _is_right(arrays, form), notice
    )
    classes, left_out, note = _read_facts(arrays)
    _tell(label, note, notice)
    splits = {
        split: ArraySplit(
            arrays[f"{split}_images"].astype(np.uint8, copy=False), arrays[f"{split}_labels"].astype(np.int64)
        )
        for split in SPLITS
        if f"{split}_images" in arrays
    }
    data = _with_all_splits(files, form, splits, seed, classes, left_out)
    mean, std = channel_statistics(data.train.array())
    return replace(data, mean=mean, std=std)


def _load_from_files(files: ImageFiles, form: Form, seed: int, entry: str, notice: Notice) -> DataSet:
    """The data set of `FileSplit`s. What takes long to work out is cached."""
    layout, left_out = files.layout()
    _tell(described(files.title)[1], layout.note, notice)
    splits = {
        split: FileSplit(files.located(places), labels_of(layout, places), form)
        for split, places in layout.splits.items()
    }
    data = _with_all_splits(files, form, splits, seed, tuple(layout.classes), left_out)
    some = np.arange(count := min(MEASURED, len(data.train))) * len(data.train) // count  # of all classes alike

    def measure() -> Arrays:
        images = data.train.read(some)
        mean, std = channel_statistics(images)
        digests = {"fingerprint": data.fingerprint, "sample": hashlib.sha256(images.data).hexdigest()}
        texts = {name: np.frombuffer(digest.encode(), np.uint8) for name, digest in digests.items()}
        return {"mean": np.array(mean), "std": np.array(std), **texts}

    def is_right(arrays: Arrays) -> bool:
        shapes = {"mean": (form.channels,), "std": (form.channels,), "fingerprint": (64,), "sample": (64,)}
        return all(arrays[name].shape == shape for name, shape in shapes.items())

    known = cached(f"{entry}-files", measure, is_right, notice)
    notes = (f"The mean and the deviation are those of {count:,} training images.",) if count < len(data.train) else ()
    return replace(
        data,
        mean=tuple(map(float, known["mean"])),
        std=tuple(map(float, known["std"])),
        known_fingerprint=known["fingerprint"].tobytes().decode("ascii"),
        sample=known["sample"].tobytes().decode("ascii"),
        notes=(*data.notes, *notes),
    )


def _tell(label: str, note: str, notice: Notice) -> None:
    """Give `notice` what a layout says about its splits, if it says anything."""
    if note:
        notice(f"{label}: {note}")


def _with_all_splits(
    files: ImageFiles,
    form: Form,
    splits: Mapping[str, AnySplit],
    seed: int,
    classes: tuple[str, ...],
    left_out: tuple[LeftOut, ...],
) -> DataSet:
    """The data set, with a test and a validation split held out where there is none. `mean` and `std` are empty."""
    name, label = described(files.title)
    found = dict(splits)
    notes = [*form.notes, *files.notes]
    if "" in found:
        kept, held = hold_out_tenth(found[""].labels, TEST_SEED)
        found = {"train": found[""].take(kept), "test": found[""].take(held)}
        notes.append(f"Not split by its authors: a tenth of each class ({len(held)} images) was held out as test.")
    if "validation" not in found:
        found["train"], found["validation"] = with_validation(found["train"], seed)
    return DataSet(
        name=name,
        label=label,
        classes=classes,
        train=found["train"],
        validation=found["validation"],
        test=found["test"],
        mean=(),
        std=(),
        notes=tuple(notes),
        left_out=left_out,
    )


def _decode(files: ImageFiles, form: Form, label: str) -> Arrays:
    """`facts`, and for each split of the set `<split>_images` and `<split>_labels`, sorted by file name."""
    layout, left_out = files.layout()
    otherwise = "leave the images in their files (--set data.storage=files)"
    archived = "unpack it and give the folder"
    count = sum(map(len, layout.splits.values()))
    require_memory(label, count, form, f", or {otherwise if files.count else archived}")
    arrays: dict[str, NDArray[Any]] = {"facts": _facts(layout, left_out)}
    rows: dict[str, NDArray[np.uint8]] = {}
    for split, places in layout.splits.items():
        images = np.empty((len(places), *form.shape), np.uint8)
        arrays[f"{split}_images"] = images
        arrays[f"{split}_labels"] = labels_of(layout, places)
        rows |= {place.path: row for place, row in zip(places, images, strict=True)}
    names: list[str] = []

    def contents() -> Iterator[tuple[str, bytes]]:
        for name, shown, content in files.contents(rows.keys()):
            names.append(name)
            yield shown, content

    for number, (_, image) in enumerate(decode_all(contents(), form)):
        rows.pop(names[number])[:] = image
    if rows:
        raise DataError(f"{files.path}: {printable(min(rows))} was removed while the data were read; start again")
    return arrays


def _facts(layout: Layout, left_out: tuple[LeftOut, ...]) -> NDArray[np.uint8]:
    """Class names, what was left out, and a note, as JSON: an array of text could lose the end of a name."""
    parts = [[part.reason, part.count, part.names] for part in left_out]
    facts = {"classes": layout.classes, "left_out": parts, "note": layout.note}
    return np.frombuffer(json.dumps(facts).encode(), np.uint8)


def _read_facts(arrays: Arrays) -> tuple[tuple[str, ...], tuple[LeftOut, ...], str]:
    facts = json.loads(arrays["facts"].tobytes())
    left_out = (LeftOut(str(reason), int(count), tuple(map(str, names))) for reason, count, names in facts["left_out"])
    return tuple(map(str, facts["classes"])), tuple(left_out), str(facts["note"])


def _is_right(arrays: Arrays, form: Form) -> bool:
    """Whether arrays from the cache have the form that `_decode` makes. May raise anything if they do not."""
    classes, *_ = _read_facts(arrays)
    splits = [key.removesuffix("_images") for key in arrays if key.endswith("_images")]
    if len(set(classes)) < 2 or ("" in splits) == ({"train", "test"} <= set(splits)):
        return False
    for split in splits:
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        if images.dtype != np.uint8 or images.shape != (len(labels), *form.shape):
            return False
        found, every = set(labels.tolist()), set(range(len(classes)))
        if labels.dtype != np.int64 or labels.ndim != 1 or not found <= every:
            return False
        if split in ("", "train") and found != every:
            return False
    return len(arrays) == 1 + 2 * len(splits) and set(splits) <= set(SPLITS)


def _fingerprint(files: ImageFiles, form: Form) -> str:
    """A hash that changes when a file of the set changes, judged by names, sizes and times."""
    lines = [f"{CACHE_VERSION} {form.rule} {form.color_rule}", *files.signature()]
    return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()[:16]
