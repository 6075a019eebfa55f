import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from trainspec.plan import BatchPlan, ahead, apply, draw_epoch, normalise, one_hot

MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.3)


def by_hand(image, crop, flip, padding):
    """One image the plain way: normalise, pad with zeros, cut, mirror."""
    image = normalise(image[None], MEAN, STD)[0]
    height, width = image.shape[:2]
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    cut = padded[crop[0] : crop[0] + height, crop[1] : crop[1] + width]
    return cut[:, ::-1] if flip else cut


@settings(max_examples=30)
@given(st.integers(0, 5), st.booleans(), st.integers(0, 2**63 - 1), st.integers(1, 6), st.integers(1, 6))
def test_apply_is_what_it_says(padding, flip, seed, height, width):
    images = np.random.default_rng(0).integers(0, 256, (7, height, width, 3), np.uint8)
    plan = draw_epoch(seed, 3, 7, padding=padding, flip=flip)
    for batch in plan.batches(4):
        made = apply(images, batch, padding=padding, mean=MEAN, std=STD)
        assert made.dtype == np.float32
        for index, image in zip(batch.indices, made, strict=True):
            expected = by_hand(images[index], plan.crops[index], plan.flips[index], padding)
            np.testing.assert_array_equal(image, expected)


def test_normalised_values_stand_for_their_pixels():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    made = normalise(images, MEAN, STD).astype(np.float64)
    np.testing.assert_array_equal(np.rint((made * STD + MEAN) * 255), images)


def test_the_border_is_exactly_zero_and_no_plan_is_normalise():
    images = np.full((2, 4, 4, 3), 255, np.uint8)
    corner = BatchPlan(
        0, 0, np.array([1], np.int32), np.zeros(1, np.int64), np.zeros((1, 2), np.int16), np.array([False])
    )
    made = apply(images, corner, padding=2, mean=MEAN, std=STD)
    assert (made[0, :2] == 0).all()
    assert (made[0, :, :2] == 0).all()
    assert (made[0, 2:, 2:] > 0).all()
    assert not np.signbit(made).any()
    plain = next(draw_epoch(0, 0, 2, padding=0, flip=False).batches(2))
    np.testing.assert_array_equal(
        apply(images, plain, padding=0, mean=MEAN, std=STD), normalise(images[plain.indices], MEAN, STD)
    )


def test_a_plan_is_the_same_for_ever():
    """Pinned: a change of these numbers makes old and new runs incomparable."""
    plan = draw_epoch(0, 0, 5, padding=4, flip=True)
    assert plan.order.tolist() == [0, 2, 1, 4, 3]
    assert plan.digest[:16] == "5da150539389dd90"


@pytest.mark.parametrize("batch_size", [1, 7, 32, 200])
def test_a_plan_does_not_depend_on_the_batch_size(batch_size):
    plan = draw_epoch(1, 2, 100, padding=4, flip=True)
    batches = list(plan.batches(batch_size))
    indices = np.concatenate([batch.indices for batch in batches])
    np.testing.assert_array_equal(indices, plan.order)
    np.testing.assert_array_equal(np.concatenate([batch.crops for batch in batches]), plan.crops[indices])
    np.testing.assert_array_equal(np.concatenate([batch.flips for batch in batches]), plan.flips[indices])
    assert all(len(batch) == batch_size for batch in plan.batches(batch_size, drop_last=True))


def test_streams_are_apart():
    base = draw_epoch(1, 2, 1000, padding=4, flip=True)
    plain = draw_epoch(1, 2, 1000, padding=0, flip=False)
    np.testing.assert_array_equal(base.order, plain.order)
    assert not plain.crops.any()
    assert not plain.flips.any()
    digests = {draw_epoch(seed, epoch, 50, padding=4, flip=True).digest for seed in range(3) for epoch in range(3)}
    assert len(digests) == 9
    assert sorted(base.order) == list(range(1000))
    assert set(np.unique(base.crops)) == set(range(9))
    assert 0.42 < base.flips.mean() < 0.58
    assert (base.order.dtype, base.crops.dtype, base.flips.dtype) == (np.int32, np.int16, np.bool_)


def test_one_hot():
    smoothed = [[0.025, 0.925, 0.025, 0.025], [0.925, 0.025, 0.025, 0.025]]
    assert one_hot(np.array([1, 0]), 4, 0.1) == pytest.approx(np.array(smoothed))
    assert one_hot(np.array([2]), 3).tolist() == [[0, 0, 1]]


def workers() -> int:
    return sum(thread.name == "batches" for thread in threading.enumerate())


def test_ahead_keeps_the_order_and_ends():
    assert list(ahead(range(100), depth=3)) == list(range(100))
    assert list(ahead([])) == []
    assert workers() == 0


def test_ahead_passes_errors_on():
    def items():
        yield 1
        raise ValueError("broken")

    made = ahead(items())
    assert next(made) == 1
    with pytest.raises(ValueError, match="broken"):
        next(made)


def test_ahead_is_bounded_and_stops_with_its_consumer():
    made = []

    def items():
        for item in range(1000):
            made.append(item)
            yield item

    batches = ahead(items(), depth=2)
    assert next(batches) == 0
    time.sleep(0.1)
    assert len(made) <= 4
    batches.close()
    assert workers() == 0
