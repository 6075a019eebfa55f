import threading
import time

import numpy as np
import pytest

from trainspec.augment import VOCABULARY, Crop, Flip, TrivialAugment
from trainspec.plan import EpochPlan, ahead, apply, draw_epoch, normalise, one_hot

MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.3)
ALL = tuple(transform() for transform in VOCABULARY.values())


def test_normalised_values_stand_for_their_pixels():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    made = normalise(images, MEAN, STD).astype(np.float64)
    np.testing.assert_array_equal(np.rint((made * STD + MEAN) * 255), images)


def test_no_transform_is_normalise():
    images = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3), np.uint8)
    for batch in draw_epoch(0, 0, 7).batches(3):
        np.testing.assert_array_equal(apply(images, batch, (), MEAN, STD), normalise(images[batch.indices], MEAN, STD))


def test_pixels_are_changed_before_they_are_normalised():
    images = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3), np.uint8)
    pixels, crop = TrivialAugment(), Crop(1)
    for transforms in ((crop, pixels), (pixels, crop)):
        (batch,) = draw_epoch(0, 0, 7, transforms).batches(7)
        changed = pixels.apply(images[batch.indices], batch.draws["trivial_augment"])
        expected = crop.apply(normalise(changed, MEAN, STD), batch.draws["crop"])
        np.testing.assert_array_equal(apply(images, batch, transforms, MEAN, STD), expected)


DIGESTS = {  # of (seed, epoch, samples) (0, 0, 5), (7, 3, 1000) and (2**63 - 1, 12, 333)
    (): ("e64efb9db57077a4", "e5388080b1d1ef1f", "45e2b4b03867892f"),
    (Flip(),): ("1717bffecd10a8ce", "a47c23dd465661cf", "9483916e04f72e8a"),
    (Crop(4),): ("10f0c254c6384ecf", "289c3365c3afbead", None),
    (Crop(28),): (None, None, "a11165d7180ae15f"),
    (Crop(4), Flip()): ("5da150539389dd90", "80ebb659f1550f7a", None),
    (Crop(28), Flip()): (None, None, "e46f42df2347847f"),
}


BY_KIND = {  # of (seed, epoch, samples) (7, 3, 1000), for the defaults of each transform
    "crop": "289c3365c3afbead",
    "flip": "a47c23dd465661cf",
    "shift": "8273fcef615d77bb",
    "random_resized_crop": "6c38eba19f488132",
    "rand_augment": "f187f7bde00073b5",
    "trivial_augment": "db63f0f3a892c717",
    "color": "80442f04413bf063",
    "cutout": "15e0096154a8cffd",
    "random_erasing": "d3ae44654642de61",
    "mixup": "3fb26a3bda6929c2",
    "cutmix": "a72c2ef7e0b16aae",
}


@pytest.mark.parametrize("kind", VOCABULARY)
def test_the_draws_of_a_transform_are_the_same_for_ever(kind):
    assert draw_epoch(7, 3, 1000, [VOCABULARY[kind]()]).digest[:16] == BY_KIND.get(kind)


@pytest.mark.parametrize("transforms", DIGESTS, ids=str)
def test_a_plan_is_the_same_for_ever(transforms):
    """Pinned: a change of these numbers makes old and new runs incomparable."""
    keys = [(0, 0, 5), (7, 3, 1000), (2**63 - 1, 12, 333)]
    for key, digest in zip(keys, DIGESTS[transforms], strict=True):
        assert digest is None or draw_epoch(*key, transforms).digest[:16] == digest
    assert draw_epoch(0, 0, 5, transforms).order.tolist() == [0, 2, 1, 4, 3]


def test_the_digest_has_the_names_and_values_of_new_draws():
    def digest(**draws):
        return EpochPlan(0, 0, np.arange(3, dtype=np.int32), draws).digest

    one, other = np.array([1, 2, 3], np.int16), np.array([1, 2, 4], np.int16)
    new = [{"weight": one}, {"weight": other}, {"angle": one}]
    digests = [digest(), *(digest(rotate=draws) for draws in new), digest(shear=new[0])]
    assert len(set(digests)) == 5


@pytest.mark.parametrize("batch_size", [1, 7, 32, 200])
def test_a_plan_does_not_depend_on_the_batch_size(batch_size):
    plan = draw_epoch(1, 2, 100, ALL)
    batches = list(plan.batches(batch_size))
    indices = np.concatenate([batch.indices for batch in batches])
    np.testing.assert_array_equal(indices, plan.order)
    for transform in ALL:
        drawn = plan.draws[transform.kind]
        for batch in batches:
            expected = transform.of_batch({name: array[batch.indices] for name, array in drawn.items()})
            assert batch.draws[transform.kind].keys() == expected.keys()
            for name, array in expected.items():
                np.testing.assert_array_equal(batch.draws[transform.kind][name], array)
    assert all(len(batch) == batch_size for batch in plan.batches(batch_size, drop_last=True))


def test_streams_are_apart():
    plan = draw_epoch(1, 2, 1000, ALL)
    np.testing.assert_array_equal(plan.order, draw_epoch(1, 2, 1000).order)
    for transform in ALL:
        alone = draw_epoch(1, 2, 1000, [transform])
        for name, array in alone.draws[transform.kind].items():
            np.testing.assert_array_equal(plan.draws[transform.kind][name], array)
    digests = {draw_epoch(seed, epoch, 50, ALL).digest for seed in range(3) for epoch in range(3)}
    assert len(digests) == 9
    assert sorted(plan.order) == list(range(1000))
    assert plan.order.dtype == np.int32


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
