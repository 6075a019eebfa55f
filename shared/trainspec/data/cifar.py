"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from their published archives.

CIFAR-10 comes from the python version, whose pickles are read only after the archive's hash was checked, and as plain
data (`pickles`). CIFAR-100 comes from the binary version, which has none; its SHA-256 and size are those of TensorFlow
Datasets (`tensorflow_datasets/url_checksums/cifar100.txt`).
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.archives import read_archive
from deploy.errors import first_line
from deploy.shell import printable
from diptych.errors import DataError
from netspec.pickled import PickleError
from trainspec.data.dataset import ArraySplit
from trainspec.data.download import Source
from trainspec.data.pickles import Array, read_pickle
from trainspec.data.published import Contents, Published

TRAINED = 45_000  # those that are neither validation nor test
MAX_FILE = 1 << 28  # bytes; CIFAR-100's training images are 154 MB
PIXELS = 3 * 32 * 32
SITE = "https://www.cs.toronto.edu/~kriz"
MEAN, STD = (125.307, 122.95, 113.865), (62.9932, 62.0887, 66.7048)  # of CIFAR-10, by origin 1
BATCHES, TEST, META = tuple(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"
BINARIES, NAMES = ("train.bin", "test.bin"), "fine_label_names.txt"


def read_python_version(paths: Sequence[Path]) -> Contents:
    """CIFAR-10 from its python version. May raise anything for batches that are not CIFAR's."""
    found = _files(paths[0], (*BATCHES, TEST, META))
    pickles = {name: _unpickle(content, f"{paths[0]}: {name}") for name, content in found.items()}
    classes = tuple(name.decode() for name in pickles[META][b"label_names"])
    return Contents(_pickled_split([pickles[name] for name in BATCHES]), _pickled_split([pickles[TEST]]), classes)


def read_binary_version(paths: Sequence[Path]) -> Contents:
    """CIFAR-100 from its binary version. A record is the coarse label, the fine label, and the pixels.

    Raises `ValueError` for files of another form.
    """
    found = _files(paths[0], (*BINARIES, NAMES))
    train, test = (_records(found[name], name) for name in BINARIES)
    return Contents(train, test, tuple(found[NAMES].decode().split()))


def _files(path: Path, wanted: Sequence[str]) -> dict[str, bytes]:
    """The content of each wanted file, by its name without folders. Raises `DataError` where one is missing."""
    members = read_archive(path, lambda name: PurePosixPath(name).name in wanted, MAX_FILE)
    found = {PurePosixPath(name).name: content for name, content in members}
    if missing := sorted(set(wanted) - found.keys()):
        raise DataError(f"{path}: {missing[0]} is missing; delete the file so that it is downloaded again")
    return found


def _records(content: bytes, name: str) -> ArraySplit:
    if not content or len(content) % (2 + PIXELS):
        raise ValueError(f"{name} has {len(content):,} bytes, which are not records of {2 + PIXELS:,}")
    records = np.frombuffer(content, np.uint8).reshape(-1, 2 + PIXELS)
    return ArraySplit(_images(records[:, 2:]), records[:, 1].astype(np.int64))


def _pickled_split(batches: Sequence[dict[bytes, Any]]) -> ArraySplit:
    rows = np.concatenate([_rows(batch[b"data"]) for batch in batches])
    labels = np.array([_label(label) for batch in batches for label in batch[b"labels"]], np.int64)
    if len(rows) != len(labels):
        raise ValueError(f"{len(rows):,} images and {len(labels):,} labels")
    return ArraySplit(_images(rows), labels)


def _images(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows of the red plane, then the green, then the blue, as `(N, 32, 32, 3)`."""
    return np.ascontiguousarray(rows.reshape(len(rows), 3, 32, 32).transpose(0, 2, 3, 1))


def _rows(data: Any) -> NDArray[np.uint8]:
    if not isinstance(data, Array):
        raise PickleError("images that are not an array")
    return data.rows(PIXELS)


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


CIFAR10 = Published(
    name="cifar10",
    label="CIFAR-10",
    images=60_000,
    sources=(
        Source(
            f"{SITE}/cifar-10-python.tar.gz",
            "6d958be074577803d12ecdefd02955f39262c83c16fe9320329d7fe0b5c001ce",
            size=170_498_071,
        ),
    ),
    read=read_python_version,
    constants=(MEAN, STD),
)
CIFAR100 = Published(
    name="cifar100",
    label="CIFAR-100",
    images=60_000,
    sources=(
        Source(
            f"{SITE}/cifar-100-binary.tar.gz",
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            size=168_513_733,
        ),
    ),
    read=read_binary_version,
    constants=((129.3, 124.1, 112.4), (68.2, 65.4, 70.4)),
)
