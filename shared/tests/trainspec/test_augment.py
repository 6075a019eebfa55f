from dataclasses import fields, replace
from typing import get_type_hints

import numpy as np
import pytest
from augmented_by_hand import BY_HAND
from hypothesis import given, settings, strategies as st

from diptych.errors import RecipeError
from netspec import functional as f, initial_weights, trace
from trainspec import stream
from trainspec.augment import (
    OTHERS,
    VOCABULARY,
    Augmentation,
    Crop,
    CutMix,
    Cutout,
    Flip,
    Mixup,
    RandAugment,
    RandomErasing,
    RandomResizedCrop,
    Shift,
)
from trainspec.batches import batches_of, host_notes
from trainspec.data import open_data
from trainspec.plan import draw_epoch
from trainspec.recipes import Recipe, override, read_recipe, to_toml
from trainspec.stream import Stream
from trainspec.task import Task

BORDER = st.sampled_from(["constant", "reflect", "symmetric"])
MIXING = {"alpha": st.floats(0.05, 9), "probability": st.sampled_from([0.5, 1.0]), "per": st.just("sample")}
SETTINGS = {  # kind -> what is tried in place of everything that its fields allow
    "crop": st.builds(Crop, st.integers(0, 9), BORDER),
    "shift": st.builds(Shift, st.just(0.0) | st.floats(0.01, 1), BORDER),
    "random_resized_crop": st.builds(RandomResizedCrop, st.floats(0.01, 1), st.floats(0.1, 1)),
    "rand_augment": st.builds(RandAugment, st.integers(1, 3), st.integers(0, 30)),
    "cutout": st.builds(Cutout, st.integers(1, 9), st.booleans()),
    "random_erasing": st.builds(
        RandomErasing, st.just(0.7), st.floats(0.01, 0.4), st.floats(0.4, 1), st.floats(0.1, 1)
    ),
    "mixup": st.builds(Mixup, **MIXING),
    "cutmix": st.builds(CutMix, **MIXING, box=st.sampled_from(["centre", "corner"])),
}
ONE_OF = {int: st.integers, float: st.floats}
ROUNDED = {"shift": 2e-6}  # by hand, its sums are in another order


def allowed(field, type_):
    """Every value that a field of a transform may have."""
    if type_ not in ONE_OF:
        return st.from_type(type_)
    limits = field.metadata
    least, most = (limits.get(name, limits.get(other)) for name, other in (("least", "above"), ("most", "below")))
    excluded = (limits.get("above"), limits.get("below"))
    return ONE_OF[type_](least, most).filter(lambda value: value not in excluded)


def anything(transform):
    """A transform with any settings that its fields allow."""
    types = get_type_hints(transform)
    return st.builds(transform, **{field.name: allowed(field, types[field.name]) for field in fields(transform)})


@pytest.mark.parametrize("kind", VOCABULARY)
@settings(max_examples=30, deadline=None)
@given(st.data())
def test_each_transform_is_what_it_says(kind, data):
    transform = data.draw(SETTINGS[kind] if kind in SETTINGS else anything(VOCABULARY[kind]))
    height, width, seed = (data.draw(st.integers(1, most)) for most in (6, 6, 2**63 - 1))
    dtype = {"pixels": np.uint8, "normalised": np.float32}[transform.stage]
    images, others = (
        (np.random.default_rng(number).standard_normal((7, height, width, 3)) * 50 + 100).astype(dtype)
        for number in range(2)
    )
    given_images = images.copy()
    draws = transform.draw(Stream(seed, 3, transform.purpose), 7)
    made = transform.apply(images, {**transform.fitted(draws, height, width), OTHERS: others})
    assert made.dtype == dtype
    for number, (image, result) in enumerate(zip(images, made, strict=True)):
        row = {name: array[number] for name, array in {**draws, OTHERS: others}.items()}
        expected = BY_HAND[kind](image, transform, row)
        assert result == pytest.approx(expected, rel=0, abs=ROUNDED.get(kind, 0) * float(np.abs(images).max()))
    np.testing.assert_array_equal(images, given_images)


def test_the_border_of_a_crop_is_exactly_zero():
    images = np.full((1, 4, 4, 3), -0.5, np.float32)
    made = Crop(2).apply(images, {"corner": np.zeros((1, 2), np.int16)})
    assert (made[0, :2] == 0).all()
    assert (made[0, :, :2] == 0).all()
    assert not np.signbit(made[0, :2]).any()
    assert (made[0, 2:, 2:] == -0.5).all()


@pytest.mark.parametrize(("border", "edge"), [("reflect", [2, 1, 0, 1, 2, 1, 0]), ("symmetric", [1, 0, 0, 1, 2, 2, 1])])
def test_a_border_shows_the_image_again(border, edge):
    crop = Crop(2, border)
    assert crop.places(3).tolist() == edge
    assert Crop(2).places(3).tolist() == [3, 3, 0, 1, 2, 3, 3]
    image = np.arange(3, dtype=np.float32).reshape(1, 1, 3, 1)
    made = [crop.apply(image, {"corner": np.array([[0, start]])})[0, 0, :, 0] for start in range(5)]
    np.testing.assert_array_equal(made, [edge[start : start + 3] for start in range(5)])


def test_alternating_flips_show_both_sides_in_two_epochs():
    flip = Flip("alternating")
    mirrored = [draw_epoch(4, epoch, 1000, [flip]).draws["flip"]["mirrored"] for epoch in range(5)]
    np.testing.assert_array_equal(mirrored[0], ~mirrored[1])
    for epoch in (2, 3, 4):
        np.testing.assert_array_equal(mirrored[epoch], mirrored[epoch % 2])
    assert 0.42 < mirrored[0].mean() < 0.58
    np.testing.assert_array_equal(mirrored[0], draw_epoch(4, 0, 1000, [Flip()]).draws["flip"]["mirrored"])
    assert (mirrored[0] != draw_epoch(5, 0, 1000, [flip]).draws["flip"]["mirrored"]).any()


def test_how_often_each_draw_comes():
    plan = draw_epoch(1, 2, 1000, (Crop(4), Flip()))
    corner, mirrored = plan.draws["crop"]["corner"], plan.draws["flip"]["mirrored"]
    assert (corner.dtype, corner.shape, mirrored.dtype, mirrored.shape) == (np.int16, (1000, 2), np.bool_, (1000,))
    for column in corner.T:
        counts = np.bincount(column, minlength=9)
        assert len(counts) == 9
        assert ((counts - 1000 / 9) ** 2 / (1000 / 9)).sum() < 26.1  # chi-squared, 8 degrees of freedom: one in 1,000
    assert 0.42 < mirrored.mean() < 0.58


def test_every_kind_has_its_name_and_a_stream_of_its_own():
    assert [transform.kind for transform in VOCABULARY.values()] == list(VOCABULARY)
    purposes = [transform.purpose for transform in VOCABULARY.values()]
    assert len({*purposes, stream.ORDER, stream.NOISE}) == len(purposes) + 2
    assert all(0 <= purpose < 256 for purpose in purposes)  # eight bits of the key


def read(tmp_path, text):
    (tmp_path / "mine.toml").write_text(text)
    return read_recipe(tmp_path / "mine.toml")


@pytest.mark.parametrize("kind", VOCABULARY)
def test_a_transform_is_off_unless_the_recipe_has_its_table(tmp_path, kind):
    assert getattr(Recipe().augmentation, kind) is None
    on = VOCABULARY[kind]()
    for text in (f"[augmentation.{kind}]", f"[augmentation]\n{kind} = true"):
        recipe = read(tmp_path, text)
        assert recipe.augmentation.transforms == (on,)
        assert str(recipe.augmentation) == str(on)
        assert read(tmp_path, to_toml(recipe)) == recipe
    off = override(recipe, {f"augmentation.{kind}": False})
    assert off == Recipe()
    assert override(off, {f"augmentation.{kind}": True}) == recipe
    with pytest.raises(RecipeError, match=rf"augmentation\.{kind} is a section.*write \[augmentation\.{kind}\]"):
        override(off, {f"augmentation.{kind}": 3})
    with pytest.raises(RecipeError, match=rf"unknown key augmentation\.{kind}\.nothing"):
        override(off, {f"augmentation.{kind}.nothing": 3})


def test_a_value_turns_its_transform_on_and_an_extending_recipe_turns_it_off(tmp_path):
    assert override(Recipe(), {"augmentation.crop.pad": 2}).augmentation.crop == Crop(2)
    with pytest.raises(RecipeError, match=r"unknown key augmentation\.pad; did you mean augmentation\.crop\.pad"):
        override(Recipe(), {"augmentation.pad": 2})
    (tmp_path / "base.toml").write_text("[augmentation.crop]\npad = 4\n[augmentation.flip]")
    child = read(tmp_path, "extends = 'base.toml'\n[augmentation]\nflip = false\n[augmentation.crop]\npad = 3")
    assert child.augmentation.transforms == (Crop(3),)


def test_what_people_read():
    assert str(Augmentation()) == "none"
    assert str(Augmentation(crop=Crop(4), flip=Flip())) == "crop (pad 4), flip"
    reflected = Augmentation(crop=Crop(2, "reflect"), flip=Flip("alternating"))
    assert str(reflected) == "crop (pad 2, border reflect), flip (mode alternating)"


class HostCrop(Crop):
    host_only = True


class Resident:
    def batch(self, plan):
        return np.zeros((len(plan), 8, 8, 3), np.float32)


class GpuTrainer:
    """Has the images on a device, as far as anybody sees."""

    def resident(self, task):
        return Resident()

    def place(self, batch):
        return batch


@pytest.mark.parametrize("crop", [Crop(1), HostCrop(1)])
def test_where_batches_are_made(crop):
    graph = trace("small", (3, 8, 8), lambda x: f.linear(f.dropout(f.flatten(x), 0.5), 10, name="fc"))
    data = open_data("digits", 8, notice=print)
    recipe = replace(Recipe(batch=16), augmentation=Augmentation(crop=crop))
    task = Task("small", graph, initial_weights(graph, seed=0), data, "digits", recipe)
    plan = next(task.plan(0).batches(16))
    (made,) = batches_of(task, GpuTrainer())([plan])
    assert made.images.any() == crop.host_only
    assert host_notes(task) == (
        ("crop: the CPU makes the images of each batch, also if a GPU trains.",) * crop.host_only
    )
    expected = task.batch(plan)
    np.testing.assert_array_equal(made.targets, expected.targets)
    np.testing.assert_array_equal(made.noise["noise.flatten.dropout"], expected.noise["noise.flatten.dropout"])
