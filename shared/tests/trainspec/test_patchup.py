"""PatchUp's draws: a pure function of (seed, epoch, number of the batch), with the paper's statistics and targets."""

from dataclasses import replace

import numpy as np
import pytest

from diptych.errors import RecipeError, UnknownNameError
from netspec import Graph, architecture, explicit_noise, initial_weights, without_noise
from trainspec.data import DataSet
from trainspec.data.dataset import ArraySplit
from trainspec.limits import check_limits
from trainspec.patchup import Patches, Patching, PatchUp, box_mask, draw_patches, grown, places_of
from trainspec.recipes import Recipe, override
from trainspec.task import Task

GRAPH = architecture("preresnet20", patchup=True)
PLACES = places_of(explicit_noise(GRAPH))
SOFT, HARD = PatchUp(), PatchUp("hard", probability=0.7, gamma=0.5)
BATCHES = 400


def drawn(section: PatchUp, seed: int = 3, epoch: int = 1, size: int = 16) -> list[Patches | None]:
    return [draw_patches(section, PLACES, seed, epoch, number, size) for number in range(BATCHES)]


def test_it_mixes_the_image_the_first_convolution_and_the_first_stage():
    assert [place.names[0] for place in PLACES] == [
        "noise.patch_up.mask",
        "noise.stem.patch_up.mask",
        "noise.stage1.block2.conv2.add.patch_up.mask",
    ]
    assert [(place.shape, place.is_image) for place in PLACES] == [
        ((3, 32, 32), True),
        ((16, 32, 32), False),
        ((16, 32, 32), False),
    ]
    assert GRAPH.digest == architecture("preresnet20").digest == without_noise(GRAPH).digest


@pytest.mark.parametrize("name", ["resnetv2_35b_cifar", "wrn16_8"])
def test_other_families_have_the_same_places(name):
    graph = explicit_noise(architecture(name, patchup=True))
    image, stem, stage = places_of(graph)
    assert (image.is_image, stem.is_image, stage.is_image) == (True, False, False)
    assert stem.names[0] == "noise.stem.patch_up.mask"
    assert stage.names[0].startswith("noise.stage1.")
    assert stage.shape[1:] == (32, 32)


def test_a_part_of_the_batches_is_mixed_and_every_place_is_as_likely():
    assert None not in drawn(SOFT)
    mixed = [patches for patches in drawn(HARD) if patches]
    assert abs(len(mixed) / BATCHES - 0.7) < 5 * np.sqrt(0.21 / BATCHES)
    counts = np.bincount([patches.place for patches in drawn(SOFT)], minlength=3)
    assert abs(counts / BATCHES - 1 / 3).max() < 5 * np.sqrt(2 / 9 / BATCHES)


def test_weights_are_those_of_beta_and_zero_where_patches_are_swapped():
    soft = np.array([patches.weight for patches in drawn(SOFT) if patches.place])
    assert abs(soft.mean() - 0.5) < 5 * np.sqrt(0.05 / len(soft))  # Beta(2, 2): variance 1/20
    assert soft.var() == pytest.approx(0.05, abs=0.015)
    assert not any(patches.weight for patches in drawn(SOFT) if not patches.place)
    assert not any(patches.weight for patches in drawn(HARD) if patches)


def test_partners_are_a_permutation_of_the_batch():
    partners = np.array([patches.partners for patches in drawn(SOFT)])
    assert (np.sort(partners) == np.arange(16)).all()
    assert abs((partners == np.arange(16)).mean() - 1 / 16) < 0.02
    assert len(np.unique(partners, axis=0)) == BATCHES


@pytest.mark.parametrize("section", [SOFT, HARD, PatchUp(gamma=0.2, block=3)])
def test_the_share_that_is_kept(section):
    """A cell is kept if no cell of the window around it is a seed; seeds come with the paper's rate."""
    block = section.block
    rate = section.gamma * 32**2 / (block**2 * (32 - block + 1) ** 2)
    assert section.seed_rate(32, 32) == (pytest.approx(rate), block)
    reach = [min(cell, block // 2) + 1 + min(31 - cell, block // 2) for cell in range(32)]
    expected = np.array([[(1 - rate) ** (above * beside) for beside in reach] for above in reach])
    masks = np.array([patches.mask for patches in drawn(section) if patches and patches.place]).astype(float)
    assert abs(masks.mean() - expected.mean()) < 0.01
    assert abs(masks.mean((0, 3)) - expected).max() < 0.05
    # channels are drawn apart, images together: the mask has no axis for them
    assert abs(np.corrcoef(masks[..., 0].ravel(), masks[..., 1].ravel())[0, 1]) < 0.05


def test_a_hole_is_a_square_of_ones():
    seeds = np.zeros((9, 8, 2), np.uint8)
    seeds[4, 3, 0] = seeds[0, 7, 1] = 1
    holes = grown(seeds, 5)
    expected = np.zeros_like(seeds)
    expected[2:7, 1:6, 0] = expected[0:3, 5:8, 1] = 1
    np.testing.assert_array_equal(holes, expected)


def test_patches_fit_into_a_small_map():
    assert PatchUp(gamma=0.5).seed_rate(4, 6) == (pytest.approx(0.5 * 24 / (9 * 2 * 4)), 3)
    assert PatchUp(gamma=0.9).seed_rate(1, 1) == (0.9, 1)


def test_the_box_of_an_image():
    masks = [box_mask(np.random.Philox(key=seed).random_raw(3), 32, 24) for seed in range(2000)]
    for mask in masks[:100]:
        rows, columns = np.where(mask == 0)
        if len(rows):
            assert (mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] == 0).all()
    holes = 1 - np.array(masks).mean()
    uniform = np.sqrt((np.arange(2000) + 0.5) / 2000)  # sides; a centre is anywhere, so a box keeps a part of itself

    def kept(length: int) -> np.ndarray:
        half = (length * uniform).astype(int) // 2
        cells = np.arange(length)[:, None]
        return (np.minimum(length, cells + half) - np.maximum(0, cells - half)).mean(0) / length

    assert holes == pytest.approx((kept(32) * kept(24)).mean(), abs=0.02)


def test_seed_epoch_and_number_matter_and_nothing_else():
    first = drawn(SOFT)
    assert all(
        np.array_equal(one.mask, other.mask) and one.weight == other.weight
        for one, other in zip(first, drawn(SOFT, size=8), strict=True)
    )
    for others in (drawn(SOFT, seed=4), drawn(SOFT, epoch=2), first[1:] + first[:1]):
        same = [np.array_equal(one.partners, other.partners) for one, other in zip(first, others, strict=True)]
        assert not any(same)


def task_of(graph: Graph, recipe: Recipe) -> Task:
    """Two batches of 8 images, which are noise."""
    generator = np.random.default_rng(7)
    images = generator.integers(0, 256, (16, 32, 32, 3), np.uint8)
    split = ArraySplit(images, generator.integers(0, 10, 16))
    data = DataSet("noise", "noise", tuple("0123456789"), split, split, split, (0.5,) * 3, (0.3,) * 3)
    return Task(graph.name, graph, initial_weights(graph), data, "noise", recipe)


def recipe_of(section: PatchUp | None) -> Recipe:
    return replace(Recipe(batch=8, epochs=1), patchup=section)


@pytest.mark.parametrize("section", [SOFT, HARD])
def test_targets_and_weight_are_the_three_losses(section):
    """The paper's three terms one by one, in NumPy, with the mask that the batch carries."""
    task = task_of(GRAPH, override(recipe_of(section), {"regularisation.label_smoothing": 0.1}))
    plain = replace(task, recipe=replace(task.recipe, patchup=None))
    logits = np.random.default_rng(0).standard_normal((8, 10))
    scores = logits - np.log(np.exp(logits).sum(1, keepdims=True))

    def loss(targets: np.ndarray) -> float:
        return float(-(targets * scores).sum(1).mean())

    seen = set()
    for plan in [plan for epoch in range(6) for plan in task.plan(epoch).batches(8, drop_last=True)]:
        own, made = plain.targets(plan), task.batch(plan)
        assert made.targets.sum(1) == pytest.approx(1, rel=1e-14)
        masks = [made.noise[place.names[0]] for place in PLACES]
        chosen = [number for number, mask in enumerate(masks) if not mask.all()]
        assert len(chosen) <= 1
        if made.loss_weight == 1:
            assert not chosen
            np.testing.assert_array_equal(made.targets, own)
            continue
        if not chosen:  # a box without a pixel
            continue
        seen.add(chosen[0])
        partner, weight = (made.noise[name] for name in PLACES[chosen[0]].names[1:])
        kept, weight = masks[chosen[0]].mean(), weight.item()
        other = own[partner.ravel()]
        patched = weight * own + (1 - weight) * other
        whole = kept * own + (1 - kept) * patched
        expected = kept * loss(own) + (1 - kept) * loss(patched) + loss(whole)
        assert made.loss_weight * loss(made.targets) == pytest.approx(expected, rel=1e-12)
    assert seen == {0, 1, 2}


def test_a_plan_without_it_is_as_before_and_its_digest_has_it():
    tasks = [task_of(GRAPH, recipe_of(section)) for section in (None, SOFT, replace(SOFT, gamma=0.7), HARD)]
    digests = [task.plan(0).digest for task in tasks]
    assert len(set(digests)) == 4
    assert digests[0] == task_of(architecture("preresnet20"), recipe_of(None)).plan(0).digest
    assert digests[1] == task_of(GRAPH, recipe_of(SOFT)).plan(0).digest
    (batch, *_) = tasks[0].plan(0).batches(8)
    noise = tasks[0].noise(batch)
    assert all(noise[place.names[0]].all() for place in PLACES)
    assert Patching(None, PLACES).loss_weight(batch) == 1


def test_batches_that_are_skipped_keep_their_numbers():
    plan = task_of(GRAPH, recipe_of(SOFT)).plan(0)
    assert [batch.number for batch in plan.batches(8, skip=1)] == [batch.number for batch in plan.batches(8)][1:]


def test_what_is_refused():
    with pytest.raises(RecipeError, match="block: 6 is even"):
        override(Recipe(), {"patchup.block": 6})
    for section in (SOFT, None):  # the layers have draws for the whole batch also where nothing is mixed
        with pytest.raises(RecipeError, match="accumulate: preresnet20.* mixes images of the whole batch"):
            check_limits(GRAPH, replace(recipe_of(section), accumulate=2), 100)
    with pytest.raises(RecipeError, match=r"patchup: lenet5.* has no PatchUp layer"):
        check_limits(architecture("lenet5"), recipe_of(SOFT), 100)
    with pytest.raises(UnknownNameError, match="has no option 'patchup'"):
        architecture("vgg11", patchup=True)
    assert override(Recipe(), {"patchup.kind": "hard"}).patchup == PatchUp("hard")
