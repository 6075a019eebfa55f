"""Mixed images and their soft targets, and what the draws of mixing and erasing are on average."""

from dataclasses import replace

import numpy as np
import pytest

from diptych.errors import RecipeError
from netspec import functional as f, initial_weights, trace
from trainspec.augment import Augmentation, Crop, CutMix, Cutout, Flip, Mixup, RandomErasing, Shift
from trainspec.augment.boxes import inside
from trainspec.data import open_data
from trainspec.plan import draw_epoch, normalise
from trainspec.recipes import Recipe, override
from trainspec.stream import Stream
from trainspec.task import Task

MIXING = {
    "mixup": Mixup(0.4),
    "mixup per sample": Mixup(0.4, 0.5, "sample"),
    "cutmix": CutMix(1.0),
    "cutmix per sample": CutMix(1.0, 0.7, "sample"),
    "cutmix by corner": CutMix(1.0, per="sample", box="corner"),
}


def task_of(smoothing: float = 0.0, **augmentation) -> Task:
    graph = trace("small", (3, 8, 8), lambda x: f.linear(f.flatten(x), 10, name="fc"))
    recipe = override(Recipe(batch=16), {"regularisation.label_smoothing": smoothing})
    recipe = replace(recipe, augmentation=Augmentation(**augmentation))
    return Task("small", graph, initial_weights(graph, seed=0), open_data("digits", 8, notice=print), "digits", recipe)


@pytest.mark.parametrize("mixing", MIXING.values(), ids=MIXING)
def test_an_image_is_mixed_with_its_partner_as_it_is_augmented_itself(mixing):
    own = {"crop": Crop(2), "flip": Flip()}
    mixed, plain = task_of(0.1, **own, **{mixing.kind: mixing}), task_of(**own)
    plan = next(mixed.plan(3).batches(16))
    whole = plain.plan(3)
    batch = mixed.batch(plan)
    alone = {}
    for part in whole.batches(1):
        alone[int(part.indices[0])] = plain.batch(part).images[0]
    assert batch.targets.sum(axis=1) == pytest.approx(1, abs=4e-16)
    labels, classes = mixed.data.train.labels, len(mixed.data.classes)
    draws = plan.draws[mixing.kind]
    for row, (sample, partner) in enumerate(zip(plan.indices, draws["partner"], strict=True)):
        image, other = alone[int(sample)], alone[int(partner)]
        if mixing.kind == "mixup":
            share = float(draws["weight"][row])
            assert batch.images[row] == pytest.approx(share * image + (1 - share) * other, abs=1e-6)
        else:
            box = {name: array[row : row + 1] for name, array in draws.items()}
            covered = inside(mixing.fitted(box, 8, 8)["box"], 8, 8)[0]
            share = 1 - covered.mean()
            np.testing.assert_array_equal(batch.images[row], np.where(covered, other, image))
        expected = np.full(classes, 0.1 / classes)
        expected[labels[sample]] += share * 0.9
        expected[labels[partner]] += (1 - share) * 0.9
        assert batch.targets[row] == pytest.approx(expected, rel=0, abs=1e-14)


# torchvision 0.28.0, transforms.v2.CutMix on images of 6 x 9 pixels: its lambda, the row and column of the centre, the
# box (top, left, bottom, right) of the partner's pixels, and the share of the image's own target, in float32
TORCHVISION_BOXES = [
    (0.25, (0, 8), (0, 5, 2, 9), 0.8518518805503845),
    (0.25, (3, 4), (1, 1, 5, 7), 0.5555555820465088),
    (0.5, (5, 0), (3, 0, 6, 3), 0.8333333134651184),
    (0.875, (2, 6), (1, 5, 3, 7), 0.9259259104728699),
    (0.0, (2, 3), (0, 0, 5, 7), 0.35185185074806213),
    (1.0, (1, 1), None, 1.0),
    (0.9990234375, (3, 3), None, 1.0),
]
# transforms.v2.MixUp on two images of two values, each the partner of the other: lambda, the images that it makes, and
# the shares of the own targets
TORCHVISION_MEANS = [
    (0.25, [2.375, -0.21875, 1.125, -0.90625], [0.25, 0.25]),
    (0.6875, [1.28125, -0.8203125, 2.21875, -0.3046875], [0.6875, 0.6875]),
]


@pytest.mark.parametrize(("weight", "centre", "box", "share"), TORCHVISION_BOXES)
def test_cutmix_is_torchvisions(weight, centre, box, share):
    place = (np.array([centre]) + 0.5) / (6, 9)
    draws = {"weight": np.array([weight], np.float32), "place": place.astype(np.float32)}
    fitted = CutMix().fitted(draws, 6, 9)
    assert CutMix().share(draws, 6, 9) == pytest.approx(share, rel=1e-7)
    covered = np.zeros((1, 6, 9, 1), np.float32)
    if box:
        covered[:, box[0] : box[2], box[1] : box[3]] = 1
    images = np.zeros_like(covered)
    np.testing.assert_array_equal(CutMix().apply(images, {**fitted, "others": images + 1}), covered)


@pytest.mark.parametrize(("weight", "images", "shares"), TORCHVISION_MEANS)
def test_mixup_is_torchvisions(weight, images, shares):
    draws = {"weight": np.full(2, weight, np.float32)}
    given = np.array([0.5, -1.25, 3.0, 0.125], np.float32).reshape(2, 1, 2, 1)
    mixed = Mixup().apply(given, {**Mixup().fitted(draws, 1, 2), "others": given[::-1]})
    np.testing.assert_array_equal(mixed.ravel(), np.float32(images))
    np.testing.assert_array_equal(Mixup().share(draws, 1, 2), shares)


@pytest.mark.parametrize("kind", [Mixup, CutMix])
def test_a_batch_has_one_weight_or_each_sample_has_its_own(kind):
    for per, weights in (("batch", 1), ("sample", 16)):
        plan = draw_epoch(1, 2, 64, [kind(1.0, per=per)])
        for batch in plan.batches(16):
            draws = batch.draws[kind.kind]
            assert len(np.unique(draws["weight"])) == len(np.unique(draws["place"], axis=0)) == weights
            assert draws["weight"][0] == plan.draws[kind.kind]["weight"][batch.indices[0]]
            np.testing.assert_array_equal(draws["partner"], plan.draws[kind.kind]["partner"][batch.indices])


def test_a_skipped_batch_changes_no_other():
    plan = draw_epoch(1, 2, 64, [Mixup()])
    (last,) = plan.batches(16, skip=3)
    *_, same = plan.batches(16)
    np.testing.assert_array_equal(last.draws["mixup"]["weight"], same.draws["mixup"]["weight"])


def test_normal_images_where_nothing_is_mixed():
    task = task_of(mixup=Mixup(1.0, 1e-12, "sample"))
    plan = next(task.plan(0).batches(16))
    images = normalise(task.data.train.images[plan.indices], *task.constants)
    np.testing.assert_array_equal(task.batch(plan).images, images)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("kind", [Mixup, CutMix])
def test_mixing_weights(kind, alpha):
    draws = kind(alpha, 1.0, "sample").draw(Stream(1, 2, kind.purpose), 20_000)
    weights = draws["weight"].astype(float)
    assert weights.mean() == pytest.approx(0.5, abs=0.01)
    assert weights.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)
    assert (weights * 2**16 % 1 == 0).all()
    sometimes = kind(alpha, 0.3, "sample").draw(Stream(1, 2, kind.purpose), 20_000)["weight"]
    assert (sometimes != draws["weight"]).mean() == pytest.approx(0.7 * (weights < 1).mean(), abs=0.02)
    assert set(sometimes[sometimes != draws["weight"]]) == {1}
    plan = draw_epoch(1, 2, 20_000, [kind(alpha, 1.0, "sample")])
    counts = np.bincount(plan.draws[kind.kind]["partner"], minlength=20_000)
    assert len(counts) == 20_000
    assert counts.var() == pytest.approx(1, abs=0.05)  # Poisson's


def boxes(transform, side: int = 32, samples: int = 20_000):
    draws = transform.draw(Stream(1, 2, transform.purpose), samples)
    top, left, bottom, right = transform.fitted(draws, side, side)["box"].T.astype(float)
    return bottom - top, right - left, (top, left, bottom, right)


def test_areas_of_cutmix():
    """By corner: the mean over the 33 corners and all weights of the clipped area. By centre, the share is alike."""
    for box, low in (("corner", 0), ("centre", None)):
        rows, columns, _ = boxes(CutMix(1.0, per="sample", box=box))
        sizes = np.floor(32 * np.sqrt(1 - (np.arange(10_000) + 0.5) / 10_000)).astype(int)
        if low == 0:
            lengths = np.array([np.minimum(size, 32 - np.arange(33)).mean() for size in range(33)])
        else:
            centre = np.arange(32)
            lengths = np.array(
                [(np.minimum(32, centre + size // 2) - np.maximum(0, centre - size // 2)).mean() for size in range(33)]
            )
        assert (rows * columns).mean() == pytest.approx((lengths[sizes] ** 2).mean(), rel=0.03)


def test_areas_of_cutout():
    rows, columns, _ = boxes(Cutout(16))
    assert rows.mean() == pytest.approx(np.mean([min(32, at + 8) - max(0, at - 8) for at in range(32)]), rel=0.01)
    rows, columns, (top, left, _, _) = boxes(Cutout(12, whole=True))
    assert set(rows) == set(columns) == {12}
    assert set(top) == set(left) == set(range(21))


def test_areas_of_random_erasing():
    rows, columns, (top, *_, right) = boxes(RandomErasing(0.5, 0.02, 0.4, 0.3), side=64)
    erased = rows > 0
    assert erased.mean() == pytest.approx(0.5, abs=0.015)
    area, ratio = (rows * columns)[erased] / 64**2, (columns / np.maximum(rows, 1))[erased]
    assert 0.015 < area.min() < 0.03
    assert 0.39 < area.max() < 0.41
    assert area.mean() == pytest.approx(0.21, abs=0.01)  # a little less: large areas of a great ratio do not fit
    assert np.log(ratio).mean() == pytest.approx(0, abs=0.03)
    assert -1.3 < np.log(ratio).min() < -1.1 < 1.1 < np.log(ratio).max() < 1.3
    assert top.min() == 0
    assert right.max() == 64


def test_shifts_are_continuous_and_uniform():
    moved = Shift(0.125).draw(Stream(1, 2, Shift.purpose), 20_000)["moved"] * 32
    assert len(np.unique(moved)) > 39_000
    assert moved.mean() == pytest.approx(0, abs=0.05)
    assert moved.std() == pytest.approx(8 / np.sqrt(12), rel=0.02)
    assert -4 <= moved.min() < -3.99 < 3.99 < moved.max() <= 4


def test_what_cannot_be_combined():
    with pytest.raises(RecipeError, match=r"augmentation\.cutmix: cannot be combined with mixup; turn one .* off$"):
        override(Recipe(), {"augmentation.mixup": True, "augmentation.cutmix": True})
    with pytest.raises(RecipeError, match=r"augmentation\.random_erasing\.least_area: must not be above most_area$"):
        override(Recipe(), {"augmentation.random_erasing.least_area": 0.5})
