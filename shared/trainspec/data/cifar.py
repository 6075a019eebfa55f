"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from their published python-version archives.

The archives contain pickles. They are read only after the archive's hash was checked, and as plain data (`pickles`).
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.errors import first_line
from deploy.shell import printable
from diptych.errors import DataError
from netspec.pickled import PickleError
from trainspec.data.archives import read_archive
from trainspec.data.cache import cache_folder
from trainspec.data.dataset import DataSet, Split, with_validation
from trainspec.data.download import Source, fetch
from trainspec.data.images import resize_arrays
from trainspec.data.memory import require_memory
from trainspec.data.pickles import Array, read_pickle

IMAGES = 60_000
TRAINED = 45_000  # those that are neither validation nor test
MAX_PICKLE = 1 << 28  # CIFAR-100's training images are 154 MB
SITE = "https://www.cs.toronto.edu/~kriz"


@dataclass(frozen=True)
class Cifar:
    """One of the two sets: its archive, its files in it and their keys, and its constants on the 0..255 scale."""

    name: str
    label: str
    source: Source
    train_files: tuple[str, ...]
    test_file: str
    labels_key: bytes
    meta_file: str
    names_key: bytes
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


CIFAR10 = Cifar(
    name="cifar10",
    label="CIFAR-10",
    source=Source(
        f"{SITE}/cifar-10-python.tar.gz",
        "6d958be074577803d12ecdefd02955f39262c83c16fe9320329d7fe0b5c001ce",
        size=170_498_071,
    ),
    train_files=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test_file="test_batch",
    labels_key=b"labels",
    meta_file="batches.meta",
    names_key=b"label_names",
    mean=(125.307, 122.95, 113.865),  # origin 1 (BIGBALLON/cifar-10-cnn)
    std=(62.9932, 62.0887, 66.7048),
)
CIFAR100 = Cifar(
    name="cifar100",
    label="CIFAR-100",
    source=Source(
        f"{SITE}/cifar-100-python.tar.gz",
        "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        size=169_001_437,
    ),
    train_files=("train",),
    test_file="test",
    labels_key=b"fine_labels",
    meta_file="meta",
    names_key=b"fine_label_names",
    mean=(129.3, 124.1, 112.4),
    std=(68.2, 65.4, 70.4),
)


def load_cifar(cifar: Cifar, image_size: int, seed: int) -> DataSet:
    """Load a set, with images uint8 `(N, image_size, image_size, 3)`. 10% of the training split become validation.

    Downloads the archive into the cache folder if it is not there yet. Raises `DataError` where it cannot be used.
    """
    require_memory(cifar.label, IMAGES, image_size)
    path = fetch(cifar.source, cache_folder())
    wanted = {*cifar.train_files, cifar.test_file, cifar.meta_file}
    pickles = {}
    for name, content in read_archive(path, lambda name: PurePosixPath(name).name in wanted, MAX_PICKLE):
        pickles[PurePosixPath(name).name] = _unpickle(content, f"{path}: {name}")
    if missing := sorted(wanted - pickles.keys()):
        raise DataError(f"{path}: {missing[0]} is missing; delete the file so that it is downloaded again")
    try:
        everything = _split(cifar, [pickles[name] for name in cifar.train_files], image_size)
        test = _split(cifar, [pickles[cifar.test_file]], image_size)
        classes = tuple(name.decode() for name in pickles[cifar.meta_file][cifar.names_key])
        highest = max(int(split.labels.max()) for split in (everything, test))
        if highest >= len(classes):
            raise ValueError(f"label {highest} of {len(classes)} classes")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: does not hold {cifar.label} as published ({error}); download it again") from error
    train, validation = with_validation(everything, seed)
    return DataSet(
        name=cifar.name,
        label=cifar.label,
        classes=classes,
        train=train,
        validation=validation,
        test=test,
        mean=tuple(value / 255 for value in cifar.mean),
        std=tuple(value / 255 for value in cifar.std),
    )


def _split(cifar: Cifar, batches: list[dict[bytes, Any]], image_size: int) -> Split:
    """The split from its pickled batches. May raise anything for batches that are not CIFAR's."""
    rows = np.concatenate([_rows(batch[b"data"]) for batch in batches])
    labels = np.array([_label(label) for batch in batches for label in batch[cifar.labels_key]], np.int64)
    planes = rows.reshape(len(labels), 3, 32, 32)  # a row has the red plane, then the green, then the blue
    return Split(resize_arrays(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), image_size), labels)


def _rows(data: Any) -> NDArray[np.uint8]:
    if not isinstance(data, Array):
        raise PickleError("images that are not an array")
    return data.rows(3 * 32 * 32)


def _label(label: Any) -> int:
    if type(label) is not int or not 0 <= label < 1000:
        raise PickleError("a label that is not a number")
    return label


def _unpickle(content: bytes, name: str) -> dict[bytes, Any]:
    try:
        value = read_pickle(content)
    except Exception as error:  # a hostile pickle can raise anything
        reason = printable(first_line(error))[:200]
        raise DataError(f"{name}: not a CIFAR pickle ({reason}); download the archive again") from error
    if not isinstance(value, dict):
        raise DataError(f"{name}: not a CIFAR pickle; download the archive again")
    return value
