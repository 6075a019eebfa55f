import numpy as np
import pytest
from hypothesis import given, strategies as st

from diptych import machine
from diptych.errors import DataError, UnknownNameError
from trainspec.data import CHOICES, digits, find_data, open_data
from trainspec.data.cifar import CIFAR10
from trainspec.data.dataset import hold_out, hold_out_tenth


def test_digits():
    data = open_data("digits", 32, notice=print)
    assert (len(data.train), len(data.validation), len(data.test)) == (1293, 144, 360)
    assert data.train.images.shape == (1293, 32, 32, 3)
    assert data.train.images.dtype == np.uint8
    assert data.train.images.max() == 255
    assert (data.train.images[..., 0] == data.train.images[..., 2]).all()
    assert set(np.bincount(data.test.labels)) <= {35, 36, 37}
    assert data.classes == tuple("0123456789")


def test_digits_of_another_seed_have_the_same_test_split():
    first, second = (open_data("digits", 8, seed=seed, notice=print) for seed in (0, 7))
    np.testing.assert_array_equal(first.test.images, second.test.images)
    assert not np.array_equal(first.validation.images, second.validation.images)


@pytest.mark.parametrize(
    ("choice", "kind", "words"),
    [
        ("cifar11", UnknownNameError, "did you mean cifar10"),
        ("zzz", UnknownNameError, "known: cifar10, cifar100, mnist, fashion_mnist, digits"),
        ("no/such/folder", DataError, "no such folder"),
        ("nothing.zip", DataError, "no such folder or archive"),
        (__file__, DataError, "neither a folder nor an archive"),
    ],
)
def test_unknown_choices(choice, kind, words):
    with pytest.raises(kind, match=words) as error:
        open_data(choice, 32, notice=print)
    assert "\n" not in str(error.value)


def test_on_a_cpu_the_digits_and_a_line(monkeypatch):
    def fetch(*_):
        pytest.fail("the network was tried")

    monkeypatch.setattr("trainspec.data.published.fetch", fetch)
    notices: list[str] = []
    assert (
        find_data(None, notice=notices.append, on_gpu=False, estimate=lambda name: f"about 3 {name}").name == "digits"
    )
    assert notices == [
        "no GPU: training on the UCI optical digits (embedded); --data cifar10 trains on CIFAR-10, "
        "where all epochs of the recipe take about 3 cifar10 here"
    ]


@pytest.mark.parametrize("on_gpu", [True, False])
def test_the_machine_is_asked_where_nobody_says(monkeypatch, on_gpu):
    monkeypatch.setattr(machine, "has_gpu", lambda: on_gpu)
    monkeypatch.setattr("trainspec.data.published.fetch", lambda *_: None)
    found = find_data(None, notice=lambda text: None)
    assert found.name == (CIFAR10.name if on_gpu else digits.NAME)


@pytest.mark.parametrize(
    ("visible", "devices", "expected"),
    [
        (None, ["nvidia0"], True),
        (None, ["nvidiactl"], False),
        (None, [], False),
        (None, ["dxg"], False),
        (None, ["usr/lib/wsl/lib/libcuda.so.1"], True),
        ("-1", ["usr/lib/wsl/lib/libcuda.so.1"], False),
        ("0", ["nvidia0"], True),
        ("", ["nvidia0"], False),
        ("-1", ["nvidia0"], False),
    ],
)
def test_has_gpu(monkeypatch, tmp_path, visible, devices, expected):
    for device in devices:
        (tmp_path / device).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / device).touch()
    monkeypatch.setattr(machine, "Path", lambda path: tmp_path / path.removeprefix("/dev").lstrip("/"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.has_gpu() is expected


@pytest.mark.parametrize("choice", ["n" * 300, "~nobody/x", "a/" * 3000, "/dev/null", "loop", "", ".", "/"])
def test_choices_that_are_no_data_set(tmp_path, monkeypatch, choice):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    if choice == "/":
        return  # a folder like any other
    with pytest.raises((DataError, UnknownNameError)) as error:
        open_data(choice, 32, notice=print)
    assert "\n" not in str(error.value)
    assert len(CHOICES) == 5


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(0, 2**63))
def test_a_tenth_is_held_out_and_every_class_stays(labels, seed):
    labels = np.array(labels, np.int64)
    if len(set(labels)) == len(labels):
        with pytest.raises(DataError, match="single image"):
            hold_out_tenth(labels, seed)
        return
    kept, held = hold_out_tenth(labels, seed)
    assert sorted([*kept, *held]) == list(range(len(labels)))
    assert set(labels[kept]) == set(labels)
    assert 1 <= len(held) <= max(1, round(len(labels) / 10))
    if min(np.bincount(labels)[sorted(set(labels))]) > 1:
        np.testing.assert_array_equal(held, hold_out(labels, max(1, round(len(labels) / 10)), seed)[1])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.floats(0, 1), st.integers(0, 2**63))
def test_hold_out_is_a_stratified_partition(labels, fraction, seed):
    labels = np.array(labels, np.int64)
    count = round(fraction * len(labels))
    kept, held = hold_out(labels, count, seed)
    assert len(held) == count
    assert sorted([*kept, *held]) == list(range(len(labels)))
    for label in set(labels):
        share = count * np.mean(labels == label)
        assert abs((labels[held] == label).sum() - share) <= 2.5  # five classes round, each by half at most
    np.testing.assert_array_equal(held, hold_out(labels, count, seed)[1])
