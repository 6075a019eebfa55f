import numpy as np
import pytest
from hypothesis import given, strategies as st

from netspec.errors import DataError, UnknownNameError
from trainspec.data import open_data
from trainspec.data.dataset import hold_out


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
        ("zzz", UnknownNameError, "known: cifar10, cifar100, digits"),
        ("no/such/folder", DataError, "no such folder"),
        ("nothing.zip", DataError, "no such folder or archive"),
        (__file__, DataError, "neither a folder nor an archive"),
    ],
)
def test_unknown_choices(choice, kind, words):
    with pytest.raises(kind, match=words) as error:
        open_data(choice, 32, notice=print)
    assert "\n" not in str(error.value)


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
