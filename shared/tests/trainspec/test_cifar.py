import os
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import write_tar
from served import Server, serving

from diptych.errors import DataError
from trainspec.data import Form, cifar as cifar_module
from trainspec.data.cifar import BATCHES, CIFAR10, CIFAR100, TEST
from trainspec.data.published import Published


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def batch(seed: int, count: int, key: bytes = b"labels") -> bytes:
    random = np.random.default_rng(seed)
    return pickle.dumps(
        {b"data": random.integers(0, 256, (count, 3072), np.uint8), key: [i % 10 for i in range(count)]}, protocol=2
    )


def small_cifar(tmp_path: Path, **changes: bytes) -> Path:
    files = {name: batch(number, 20) for number, name in enumerate((*BATCHES, TEST))}
    files["batches.meta"] = pickle.dumps({b"label_names": [f"class{i}".encode() for i in range(10)]}, protocol=2)
    return write_tar(
        tmp_path / "cifar.tar.gz", {f"cifar-10-batches-py/{name}": body for name, body in {**files, **changes}.items()}
    )


def served_cifar(server: Server, path: Path) -> Published:
    server.content = path.read_bytes()
    return replace(CIFAR10, sources=(server.source(),))


def test_cifar_from_its_archive(server, tmp_path):
    data = served_cifar(server, small_cifar(tmp_path)).load(Form(32), 0)
    assert (len(data.train), len(data.validation), len(data.test)) == (90, 10, 20)
    assert data.classes == tuple(f"class{i}" for i in range(10))
    assert sorted(data.validation.labels) == list(range(10))
    row = np.random.default_rng(5).integers(0, 256, (20, 3072), np.uint8)[3]
    np.testing.assert_array_equal(data.test.images[3], np.stack(np.split(row, 3), -1).reshape(32, 32, 3))
    assert data.mean[0] == pytest.approx(0.4914, abs=1e-4)
    assert served_cifar(server, small_cifar(tmp_path)).load(Form(16), 0).image_shape == (16, 16, 3)


class Attack:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch attacked",)


@pytest.mark.parametrize(
    ("content", "words"),
    [(pickle.dumps(Attack()), "not allowed"), (b"no pickle", "not a CIFAR pickle"), (pickle.dumps([1]), "pickle")],
)
def test_pickles_that_are_no_cifar(server, tmp_path, monkeypatch, content, words):
    monkeypatch.chdir(tmp_path)  # where an attack would leave its mark
    cifar = served_cifar(server, small_cifar(tmp_path, test_batch=content))
    with pytest.raises(DataError, match=words) as error:
        cifar.load(Form(32), 0)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize(
    "label", [10, -1, 2**40, 1.5, b"1", [1], None, True], ids=lambda label: type(label).__name__ + str(label)[:9]
)
def test_labels_that_are_not_cifars(server, tmp_path, label):
    data = np.zeros((2, 3072), np.uint8)
    content = pickle.dumps({b"data": data, b"labels": [0, label]}, protocol=2)
    with pytest.raises(DataError, match="does not hold CIFAR-10") as error:
        served_cifar(server, small_cifar(tmp_path, test_batch=content)).load(Form(32), 0)
    assert "\n" not in str(error.value)


def test_an_archive_that_is_not_the_published_one_is_not_unpickled(server, tmp_path, cache, monkeypatch):
    cifar = served_cifar(server, small_cifar(tmp_path))
    path = cache / cifar.sources[0].file_name
    path.write_bytes(small_cifar(tmp_path, test_batch=batch(99, 20)).read_bytes())
    assert len(cifar.load(Form(32), 0).test) == 20  # fetched again
    path.write_bytes(b"something else")
    server.content = b""
    monkeypatch.setattr(cifar_module, "read_pickle", lambda _: pytest.fail("read"))
    with pytest.raises(DataError, match="cannot be downloaded"):
        cifar.load(Form(32), 0)


def test_a_cifar_archive_with_other_contents(server, tmp_path):
    cifar = served_cifar(server, small_cifar(tmp_path, test_batch=batch(0, 3, key=b"fine_labels")))
    with pytest.raises(DataError, match="does not hold CIFAR-10"):
        cifar.load(Form(32), 0)


def test_cifar_100_from_its_binary_version(server, tmp_path):
    random = np.random.default_rng(0)
    records = {name: random.integers(0, 256, (count, 3074), np.uint8) for name, count in (("train", 40), ("test", 10))}
    for rows in records.values():
        rows[:, 1] = np.arange(len(rows)) % 5
    files = {f"cifar-100-binary/{name}.bin": rows.tobytes() for name, rows in records.items()}
    files["cifar-100-binary/fine_label_names.txt"] = b"apple\nbear\nbee\nbed\nboy\n\n"
    server.content = write_tar(tmp_path / "cifar.tar.gz", files).read_bytes()
    data = replace(CIFAR100, sources=(server.source(),)).load(Form(32), 0)
    assert data.classes == ("apple", "bear", "bee", "bed", "boy")
    assert (len(data.train), len(data.validation), len(data.test)) == (36, 4, 10)
    assert data.test.labels.tolist() == [0, 1, 2, 3, 4] * 2
    red, green, blue = np.split(records["test"][7, 2:], 3)
    np.testing.assert_array_equal(data.test.images[7], np.stack([red, green, blue], -1).reshape(32, 32, 3))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"test.bin": bytes(3073)}, "3,073 bytes, which are not records of 3,074"),
        ({"test.bin": b""}, "0 bytes"),
        ({"fine_label_names.txt": b"apple"}, "label 1 of 1 classes"),
        ({"fine_label_names.txt": b"\xff"}, "does not hold CIFAR-100"),
    ],
)
def test_a_cifar_100_with_other_contents(server, tmp_path, changed, words):
    record = bytes([0, 1]) + bytes(3072)
    files = {"train.bin": record * 20, "test.bin": record, "fine_label_names.txt": b"apple bear", **changed}
    server.content = write_tar(tmp_path / "cifar.tar.gz", files).read_bytes()
    with pytest.raises(DataError, match=words) as error:
        replace(CIFAR100, sources=(server.source(),)).load(Form(32), 0)
    assert "\n" not in str(error.value)
