"""Find and read the data set that a run trains on.

`find_data` finds it by name (the name decides the recipe). `FoundData.load` reads the images. `open_data` does both.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.archives import SUFFIXES, is_archive
from deploy.options import closest
from deploy.shell import printable
from diptych import machine
from diptych.errors import DataError, DiptychError, UnknownNameError
from trainspec.data import digits
from trainspec.data.cache import Notice
from trainspec.data.cifar import CIFAR10, CIFAR100
from trainspec.data.class_folder import load_class_folder
from trainspec.data.dataset import ArraySplit, DataSet, LeftOut, Split
from trainspec.data.form import Channels, Form, Resize, Storage
from trainspec.data.idx import FASHION_MNIST, MNIST
from trainspec.data.image_files import described, open_images, title_of
from trainspec.data.manifest import SUFFIX, is_manifest

__all__ = ["CHOICES", "ArraySplit", "DataSet", "Form", "FoundData", "LeftOut", "Split", "find_data", "open_data"]

PUBLISHED = {found.name: found for found in (CIFAR10, CIFAR100, MNIST, FASHION_MNIST)}
CHOICES = (*PUBLISHED, digits.NAME)


@dataclass(frozen=True)
class FoundData:
    """A data set that exists but is not read yet. `load(form, seed)` reads it and draws its validation split."""

    name: str
    label: str
    load: Callable[[Form, int], DataSet]


def find_data(
    choice: str | None,
    *,
    notice: Notice,
    on_gpu: bool | None = None,
    estimate: Callable[[str], str] = lambda name: "",
) -> FoundData:
    """The data set that `choice` names: one of `CHOICES`, or the path of a class folder, of an archive of one, or of a
    manifest of a split (`nox -s split`).

    None means CIFAR-10 on a GPU, or the embedded digits where CIFAR-10 cannot be downloaded. On a CPU it means the
    digits, so that a first command ends in minutes. `notice` gets a sentence whenever the digits are chosen this way.
    `on_gpu` defaults to whether the machine has a GPU. `estimate(name)` says about how long a training on that data set
    takes here ("about 2 hours"), or nothing.

    An explicit choice never falls back to other data. Raises `DataError` or `StorageError` where it cannot be read or
    downloaded, `UnknownNameError` with the nearest names where there is nothing of that name.
    """
    if choice is None:
        if not (machine.has_gpu() if on_gpu is None else on_gpu):
            took = estimate(CIFAR10.name)
            notice(
                f"no GPU: training on the {digits.LABEL}; --data {CIFAR10.name} trains on {CIFAR10.label}"
                + (f", where all epochs of the recipe take {took} here" if took else "")
            )
            return _digits()
        try:
            return _published(CIFAR10.name)
        except DiptychError as error:
            notice(f"CIFAR-10 is not available ({error}): training on the {digits.LABEL} instead")
            return _digits()
    if choice == digits.NAME:
        return _digits()
    if choice in PUBLISHED:
        return _published(choice)
    return _class_folder(choice, notice)


def open_data(
    choice: str | None,
    image_size: int,
    *,
    seed: int = 0,
    notice: Notice,
    resize: Resize = "crop",
    channels: Channels = 3,
    storage: Storage = "memory",
) -> DataSet:
    """The data set that `choice` names (see `find_data`), with images uint8 `(N, image_size, image_size, channels)`."""
    return find_data(choice, notice=notice).load(Form(image_size, resize, channels, storage), seed)


def _digits() -> FoundData:
    return FoundData(digits.NAME, digits.LABEL, digits.load_digits)


def _published(name: str) -> FoundData:
    published = PUBLISHED[name]
    published.fetch()
    return FoundData(name, published.label, published.load)


def _class_folder(choice: str, notice: Notice) -> FoundData:
    try:
        choice.encode()
        path = Path(os.path.expanduser(choice))
        kind = stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        raise _unknown(choice) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL, or a name that is not UTF-8: a run cannot record it
        reason = error.strerror if isinstance(error, OSError) else "its name is not UTF-8; rename it"
        raise DataError(f"{printable(choice)}: cannot be read ({reason})") from error
    if kind == stat.S_IFDIR or (kind == stat.S_IFREG and (is_archive(path) or is_manifest(path))):
        name, label = described(title_of(path))
        return FoundData(name, label, lambda form, seed: load_class_folder(open_images(path), form, seed, notice))
    raise DataError(
        f"{choice}: neither a folder nor an archive ({', '.join(SUFFIXES)}) of class folders, nor a manifest ({SUFFIX})"
    )


def _unknown(choice: str) -> DiptychError:
    path = Path(choice)
    if path.name != choice or is_archive(path) or is_manifest(path):
        return DataError(f"{choice}: no such folder or archive")
    close = closest(choice, CHOICES, 2)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(CHOICES)}, or a path"
    return UnknownNameError(f"--data {choice}: no such data set, folder or archive; {hint}")
