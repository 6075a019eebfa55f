"""Which data set a run trains on, and reading it.

`find_data` decides by name (a recipe is chosen by it), `FoundData.load` reads the images, `open_data` does both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.options import closest
from netspec.errors import DataError, DiptychError, UnknownNameError
from trainspec.data import digits
from trainspec.data.archives import SUFFIXES, is_archive
from trainspec.data.cache import Notice, cache_folder
from trainspec.data.cifar import CIFAR10, CIFAR100, load_cifar
from trainspec.data.class_folder import describe, load_class_folder
from trainspec.data.dataset import DataSet, Split
from trainspec.data.download import fetch

__all__ = ["CHOICES", "DataSet", "FoundData", "Split", "find_data", "open_data"]

PUBLISHED = {cifar.name: cifar for cifar in (CIFAR10, CIFAR100)}
CHOICES = (*PUBLISHED, digits.NAME)


@dataclass(frozen=True)
class FoundData:
    """A data set known to be there, not read yet. `load(image_size, seed)` reads it and draws its validation split."""

    name: str
    label: str
    load: Callable[[int, int], DataSet]


def find_data(choice: str | None, *, notice: Notice) -> FoundData:
    """The data set that `choice` means: a name out of `CHOICES`, or the path of a class folder or an archive of one.

    With None, CIFAR-10 where it is or can be downloaded, otherwise the embedded digits, which `notice` is told. An
    explicit choice never falls back. Raises `DataError` when it cannot be had, `UnknownNameError` with the nearest
    names when it means nothing.
    """
    if choice is None:
        try:
            return _published(CIFAR10.name)
        except DiptychError as error:
            notice(f"CIFAR-10 cannot be had ({error}): training on the {digits.LABEL} instead")
            return _digits()
    if choice == digits.NAME:
        return _digits()
    if choice in PUBLISHED:
        return _published(choice)
    return _class_folder(choice, notice)


def open_data(choice: str | None, image_size: int, *, seed: int = 0, notice: Notice) -> DataSet:
    """The data set that `choice` means (see `find_data`), its images uint8 `(N, image_size, image_size, 3)`."""
    return find_data(choice, notice=notice).load(image_size, seed)


def _digits() -> FoundData:
    return FoundData(digits.NAME, digits.LABEL, digits.load_digits)


def _published(name: str) -> FoundData:
    cifar = PUBLISHED[name]
    fetch(cifar.source, cache_folder())
    return FoundData(name, cifar.label, lambda image_size, seed: load_cifar(cifar, image_size, seed))


def _class_folder(choice: str, notice: Notice) -> FoundData:
    path = Path(choice).expanduser()
    if path.is_dir() or (path.is_file() and is_archive(path)):
        name, label = describe(path)
        return FoundData(name, label, lambda image_size, seed: load_class_folder(path, image_size, seed, notice))
    if path.exists():
        raise DataError(f"{choice}: neither a folder nor an archive ({', '.join(SUFFIXES)}) of class folders")
    if path.name != choice or is_archive(path):
        raise DataError(f"{choice}: no such folder or archive")
    close = closest(choice, CHOICES, 2)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(CHOICES)}, or a path"
    raise UnknownNameError(f"--data {choice}: no such data set, folder or archive; {hint}")
