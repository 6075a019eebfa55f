"""Epochs that visit small classes more often, and what a second visit of an image draws."""

import numpy as np
import pytest
from asked import task_of
from hypothesis import given, strategies as st

from diptych.errors import RecipeError
from trainspec.augment import VOCABULARY, Crop, CutMix, Flip, Mixup
from trainspec.plan import EpochPlan, draw_epoch, visited
from trainspec.plan.sampling import shared_out
from trainspec.recipes import Recipe, override

LABELS = np.repeat([0, 2, 1], [60, 30, 10])  # in no order, and class 2 before class 1


@pytest.mark.parametrize(
    ("balance", "counts"),
    [(0.0, [60, 10, 30]), (1.0, [34, 33, 33]), (0.5, [46, 19, 33])],
)
def test_classes_are_visited_by_their_sizes(balance, counts):
    found = np.bincount(LABELS[visited(0, 0, LABELS, balance)])
    assert found.sum() == len(LABELS)
    expected = np.array([60, 10, 30]) ** (1 - balance)
    assert np.abs(found - len(LABELS) * expected / expected.sum()).max() < 1
    if balance != 0.5:
        assert found.tolist() == counts


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(any), st.floats(0, 1), st.integers(0, 5))
def test_within_a_class_visits_are_even(sizes, balance, epoch):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    found = visited(1, epoch, labels, balance)
    assert len(found) == len(labels)
    times = np.bincount(found, minlength=len(labels))
    for number, size in enumerate(sizes):
        own = times[labels == number]
        assert not size or own.max() - own.min() <= 1
    if balance == 0:
        assert (times == 1).all()


def test_other_epochs_visit_others():
    epochs = [set(visited(0, epoch, LABELS, 1.0)[LABELS[visited(0, epoch, LABELS, 1.0)] == 0]) for epoch in range(2)]
    assert epochs[0] != epochs[1]
    assert np.array_equal(visited(0, 1, LABELS, 1.0), visited(0, 1, LABELS, 1.0))


def test_what_is_left_goes_to_the_largest_remainders():
    assert shared_out(10, np.array([1, 1, 1])).tolist() == [4, 3, 3]
    assert shared_out(10, np.array([5, 3, 1])).tolist() == [6, 3, 1]
    assert shared_out(7, np.array([1, 0])).tolist() == [7, 0]


def test_a_second_visit_has_draws_of_its_own():
    transforms = (Crop(8), Flip())
    order = visited(0, 0, LABELS, 1.0)
    plan = draw_epoch(0, 0, len(LABELS), transforms, visited=order)
    assert sorted(plan.order) == sorted(order)
    (batch,) = plan.batches(len(LABELS))
    corners: dict[int, list[tuple[int, ...]]] = {}
    for index, corner in zip(batch.indices.tolist(), batch.draws["crop"]["corner"].tolist(), strict=True):
        corners.setdefault(index, []).append(tuple(corner))
    several = [drawn for drawn in corners.values() if len(drawn) > 1]
    assert len(several) == 13  # class 1 has 10 images, class 2 has 30, and each has 33 visits
    assert sum(len(set(drawn)) > 1 for drawn in several) >= 12
    first = draw_epoch(0, 0, len(LABELS), transforms).draws["crop"]["corner"]
    for index, drawn in corners.items():
        assert drawn[0] == tuple(first[index])  # a first visit is as in a plan without second ones


def test_rows_of_a_plan_by_hand():
    plan = EpochPlan(0, 0, np.array([2, 0, 2, 2, 0], np.int32), {})
    assert plan.visits.tolist() == [0, 0, 1, 2, 1]
    assert plan.rows.tolist() == [2, 0, 5, 6, 7]
    (batch,) = plan.batches(5)
    assert batch.indices.tolist() == [2, 0, 2, 2, 0]
    assert batch.visits.tolist() == [0, 0, 1, 2, 1]


@pytest.mark.parametrize("kind", [Mixup, CutMix])
def test_partners_have_the_balance_of_the_epoch(kind):
    labels = np.repeat([0, 1], [900, 100])
    plans = [draw_epoch(0, epoch, 1000, [kind()], visited=visited(0, epoch, labels, 1.0)) for epoch in range(5)]
    batches = [next(plan.batches(1000)) for plan in plans]
    for plan, batch in zip(plans, batches, strict=True):
        assert set(plan.draws[kind.kind]["partner"]) <= set(plan.rows)
        assert set(batch.partners[kind.kind].indices) <= set(plan.order)
    partners = np.concatenate([batch.partners[kind.kind].indices for batch in batches])
    assert labels[partners].mean() == pytest.approx(0.5, abs=0.03)


def test_partners_are_visits_too():
    plan = draw_epoch(0, 0, len(LABELS), (Crop(2), Mixup()), visited=visited(0, 0, LABELS, 1.0))
    (batch,) = plan.batches(len(LABELS))
    partner = batch.partners["mixup"]
    rows = plan.draws["mixup"]["partner"][plan.rows]
    assert rows.max() < len(plan.draws["crop"]["corner"])
    assert partner.indices.max() < len(LABELS)
    np.testing.assert_array_equal(partner.draws["crop"]["corner"], plan.draws["crop"]["corner"][rows])
    assert set(partner.visits.tolist()) > {0}


@pytest.mark.parametrize("kind", VOCABULARY)
def test_more_rows_do_not_change_the_first_ones(kind):
    transform = VOCABULARY[kind]()
    if kind in ("mixup", "cutmix"):
        pytest.skip("a partner is any row")
    once = draw_epoch(5, 2, len(LABELS), [transform])
    again = draw_epoch(5, 2, len(LABELS), [transform], visited=visited(5, 2, LABELS, 1.0))
    for name, array in once.draws[kind].items():
        np.testing.assert_array_equal(again.draws[kind][name][: len(LABELS)], array)


def test_the_recipe_has_it(tmp_path):
    task = task_of("lenet5", "--data", "digits", "--set", "data.balance=1", "--out", str(tmp_path))
    counts = np.bincount(task.data.train.labels[task.plan(0).order])
    assert counts.max() - counts.min() <= 1
    plain = task_of("lenet5", "--data", "digits", "--out", str(tmp_path))
    assert plain.plan(0).digest != task.plan(0).digest
    assert sorted(plain.plan(0).order) == list(range(len(plain.data.train)))
    for value in (-0.1, 1.1, "all"):
        with pytest.raises(RecipeError, match=r"data\.balance"):
            override(Recipe(), {"data.balance": value})
