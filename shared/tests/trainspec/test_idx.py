"""MNIST and Fashion-MNIST from idx files that are made here and come from a server on this machine."""

import gzip
import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from served import Server, serving

from diptych.errors import DataError
from trainspec.data import Form
from trainspec.data.idx import FASHION_MNIST, MNIST, read_idx
from trainspec.data.published import Published


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)  # the same bytes at any time


RANDOM = np.random.default_rng(0)
TRAIN, TEST = (RANDOM.integers(0, 256, (count, 28, 28), np.uint8) for count in (40, 20))


def served(server: Server, published: Published, **changes: bytes) -> Published:
    names = [source.file_name for source in published.sources]
    parts = (idx(TRAIN), idx(np.arange(40) % 10), idx(TEST), idx(np.arange(20) % 10))
    server.files = dict(zip(names, parts, strict=True)) | {f"{key}-ubyte.gz": part for key, part in changes.items()}
    return replace(published, sources=tuple(server.source(name) for name in names))


@pytest.mark.parametrize("published", [MNIST, FASHION_MNIST], ids=lambda published: published.name)
def test_from_its_files(server, published, cache):
    data = served(server, published).load(Form(28), 0)
    assert (len(data.train), len(data.validation), len(data.test)) == (36, 4, 20)
    assert len(data.classes) == 10
    assert data.test.labels.tolist() == [*range(10), *range(10)]
    for channel in range(3):
        np.testing.assert_array_equal(data.test.images[..., channel], TEST)
    assert data.mean == pytest.approx(tuple(data.train.images.mean((0, 1, 2)) / 255))
    assert sorted(path.name for path in (cache / published.name).iterdir()) == sorted(server.files)
    assert served(server, published).load(Form(32), 0).image_shape == (32, 32, 3)
    assert len(server.asked) == 4  # each file is fetched once


def test_the_two_sets_do_not_share_files(server):
    assert {source.file_name for source in MNIST.sources} == {source.file_name for source in FASHION_MNIST.sources}
    assert MNIST.folder != FASHION_MNIST.folder
    hashes = [source.sha256 for each in (MNIST, FASHION_MNIST) for source in each.sources]
    assert len(set(hashes)) == 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"t10k-labels-idx1": idx(np.arange(19))}, "20 images, but t10k-labels-idx1-ubyte.gz has 19 labels"),
        ({"t10k-labels-idx1": idx(np.full(20, 10))}, "label 10 of 10 classes"),
        ({"train-images-idx3": idx(np.zeros(40))}, "not an idx file of bytes with 3 axes"),
        ({"train-images-idx3": idx(TRAIN)[:-20]}, "cannot be unpacked"),
        ({"train-images-idx3": b"plain"}, "cannot be unpacked"),
    ],
)
def test_files_with_other_contents(server, changes, words):
    with pytest.raises(DataError, match=words) as error:
        served(server, MNIST, **changes).load(Form(28), 0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an idx file"),
        (b"\0\0\x08\x01\0\0", "not an idx file"),
        (b"\0\0\x0d\x01\0\0\0\1\0\0\0\0", "not an idx file"),  # floats
        (b"\0\0\x08\x01\0\0\0\5abcd", "4 values do not fill the shape"),
        (b"\0\0\x08\x01\0\0\0\0", "0 values"),
        (b"\0\0\x08\x03" + b"\xff" * 12 + b"a", "1 values do not fill the shape"),
    ],
)
def test_damaged_idx_files(tmp_path, content, words):
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=words):
        read_idx(path, 3 if content[3:4] == b"\3" else 1)


def test_an_idx_file_by_hand(tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(b"\0\0\x08\x02\0\0\0\2\0\0\0\3abcdef"))
    assert read_idx(path, 2).tobytes() == b"abcdef"
    assert read_idx(path, 2).shape == (2, 3)
