"""MNIST (LeCun et al. 1998) and Fashion-MNIST (1708.07747) from their idx files.

The SHA-256 and the sizes are those of TensorFlow Datasets (`tensorflow_datasets/url_checksums/mnist.txt` and
`fashion_mnist.txt`). Files with these hashes were not downloaded where this was written; the reader was tested on
files that a test makes.
"""

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deploy.errors import first_line
from diptych.errors import DataError
from trainspec.data.dataset import ArraySplit
from trainspec.data.download import Source
from trainspec.data.published import Contents, Published

BYTES = 0x08  # idx's number for uint8
MAX_BYTES = 1 << 28  # of an unpacked file; the largest is 47 MB
FASHION = (  # in the order of the labels: github.com/zalandoresearch/fashion-mnist
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The uint8 array in a gzipped idx file, which has `dimensions` axes. Raises `DataError` for any other file.

    An idx file is two zero bytes, the number of the type, the number of axes, each length as a big-endian uint32, and
    the values in C order.
    """
    try:
        with gzip.open(path) as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be unpacked ({first_line(error)}); download it again") from error
    header = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, BYTES, dimensions]) or len(content) < header:
        raise DataError(f"{path}: not an idx file of bytes with {dimensions} axes; download it again")
    shape = np.frombuffer(content[4:header], ">u4").tolist()
    values = np.frombuffer(content, np.uint8, offset=header)
    if len(values) != int(np.prod(shape, dtype=object)) or not len(values):
        raise DataError(f"{path}: {len(values):,} values do not fill the shape {tuple(shape)}; download it again")
    return values.reshape(shape)


def read_mnist(paths: Sequence[Path], classes: Sequence[str]) -> Contents:
    """Images and labels of the training and of the test, from four files."""
    train, test = (_split(*paths[start : start + 2]) for start in (0, 2))
    return Contents(train, test, tuple(classes))


def _split(images: Path, labels: Path) -> ArraySplit:
    grey, numbers = read_idx(images, 3), read_idx(labels, 1)
    if len(grey) != len(numbers):
        raise DataError(f"{images}: {len(grey):,} images, but {labels.name} has {len(numbers):,} labels")
    return ArraySplit(grey, numbers.astype(np.int64))


def _sources(site: str, files: dict[str, tuple[str, int]]) -> tuple[Source, ...]:
    return tuple(Source(f"{site}/{name}-ubyte.gz", sha256, size) for name, (sha256, size) in files.items())


MNIST = Published(
    name="mnist",
    label="MNIST",
    images=70_000,
    sources=_sources(
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        {
            "train-images-idx3": ("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422),
            "train-labels-idx1": ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
            "t10k-images-idx3": ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
            "t10k-labels-idx1": ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
        },
    ),
    read=lambda paths: read_mnist(paths, "0123456789"),
    folder="mnist",
)
FASHION_MNIST = Published(
    name="fashion_mnist",
    label="Fashion-MNIST",
    images=70_000,
    sources=_sources(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        {
            "train-images-idx3": ("3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26_421_880),
            "train-labels-idx1": ("a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515),
            "t10k-images-idx3": ("346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102),
            "t10k-labels-idx1": ("67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5_148),
        },
    ),
    read=lambda paths: read_mnist(paths, FASHION),
    folder="fashion_mnist",
)
