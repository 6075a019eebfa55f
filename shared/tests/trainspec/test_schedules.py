import math
from dataclasses import fields
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, strategies as st

from trainspec.schedules import (
    HTD,
    AnySchedule,
    Constant,
    Cosine,
    Linear,
    OneCycle,
    Polynomial,
    Schedule,
    Step,
    Triangle,
    learning_rate,
)

KINDS = get_args(AnySchedule)


def rates(schedule: Schedule, total: int, steps_per_epoch: int = 10) -> list[float]:
    return [learning_rate(schedule, step, total, steps_per_epoch) for step in range(total)]


def test_constant_and_warm_up():
    assert rates(Constant(0.2), 3) == [0.2] * 3
    assert rates(Constant(0.2, warmup_epochs=0.5), 20)[:6] == pytest.approx([0.04, 0.08, 0.12, 0.16, 0.2, 0.2])


def test_step_by_fractions_falls_on_the_epoch():
    seed = Step(0.1, milestones=(0.405, 0.61), gamma=0.1)
    for epoch, rate in ((80, 0.1), (81, 0.01), (121, 0.01), (122, 0.001)):
        assert learning_rate(seed, epoch * 352, 200 * 352, 352) == pytest.approx(rate)
    assert learning_rate(seed, 81 * 352 - 1, 200 * 352, 352) == pytest.approx(0.1)


def test_step_by_epochs_and_rates():
    schedule = Step(0.01, milestones=(2, 4), rates=(0.005, 0.001))
    assert rates(schedule, 60)[::10] == [0.01, 0.01, 0.005, 0.005, 0.001, 0.001]


def test_cosine_is_pytorchs():
    schedule = Cosine(0.1, floor=0.001)
    for step in (0, 37, 99):
        expected = 0.001 + (0.1 - 0.001) * (1 + math.cos(math.pi * step / 100)) / 2
        assert learning_rate(schedule, step, 100, 10) == pytest.approx(expected, rel=1e-12)


def test_one_cycle_is_pytorchs():
    schedule = OneCycle(0.1)
    made = rates(schedule, 100)
    assert made[0] == pytest.approx(0.1 / 25)
    assert made[29] == pytest.approx(0.1) == max(made)
    assert made[99] == pytest.approx(0.1 / 25e4)
    # torch 2.13: OneCycleLR(optimizer, 0.1, total_steps=100).get_last_lr() at these steps
    assert [made[10], made[50], made[80]] == pytest.approx(
        [0.029516394846410082, 0.0793893450575732, 0.017103395290759563]
    )


def test_the_values_of_one_cycle_are_pytorchs():
    made = rates(OneCycle(0.2, rise=0.6, first_divisor=10.0, last_divisor=4.0), 40)
    # torch 2.13: OneCycleLR(optimizer, 0.2, total_steps=40, pct_start=0.6, div_factor=10, final_div_factor=4)
    assert [made[step] for step in (0, 7, 23, 30, 39)] == pytest.approx(
        [0.02, 0.05809877100966193, 0.2, 0.12152130639657253, 0.005]
    )


def test_htd_is_the_papers():
    schedule = HTD(0.1)
    assert learning_rate(schedule, 0, 100, 10) == pytest.approx(0.1 * 0.999994, rel=1e-6)
    assert learning_rate(schedule, 100, 100, 10) == pytest.approx(0.1 * 0.00247, rel=2e-3)


def test_linear_and_polynomial():
    assert rates(Linear(0.4), 4) == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert rates(Linear(0.4, floor=0.2, warmup_epochs=0.2), 6) == pytest.approx([0.2, 0.4, 0.4, 0.35, 0.3, 0.25])
    assert rates(Polynomial(0.4, power=2), 4) == pytest.approx([0.4, 0.225, 0.1, 0.025])
    assert rates(Polynomial(0.4, power=1), 90) == pytest.approx(rates(Linear(0.4), 90), rel=1e-12)


def test_triangle_is_airbenchs():
    total, summit = 476, 109  # 9.9 epochs of 48 steps; int(0.23 * 476)
    made = rates(Triangle(2.0), total)
    assert made[0] == 0.4
    assert made[summit] == max(made) == 2.0
    assert made == pytest.approx(2 * np.interp(range(total), [0, summit, total], [0.2, 1, 0.07]), rel=1e-14)


ORIGINS = {  # the tables of origin 1's and origin 3's runs: the first rate, milestones and rates; the rate by epoch
    "lenet": (Step(0.01, milestones=(100, 150), rates=(0.005, 0.001)), lambda e: by(e, (100, 150), 0.01, 0.005, 0.001)),
    "nin": (Step(0.01, milestones=(81, 141), rates=(0.005, 0.001)), lambda e: upto(e, (80, 140), 0.01, 0.005, 0.001)),
    "nin_bn": (
        Step(0.05, milestones=(61, 121, 161), rates=(0.01, 0.002, 0.0004)),
        lambda e: upto(e, (60, 120, 160), 0.05, 0.01, 0.002, 0.0004),
    ),
    "vgg19": (Step(0.1, milestones=(80, 160), gamma=0.1), lambda e: by(e, (80, 160), 0.1, 0.01, 0.001)),
    "resnet": (Step(0.1, milestones=(81, 122), gamma=0.1), lambda e: by(e, (81, 122), 0.1, 0.01, 0.001)),
    "resnet by fractions": (Step(0.1, milestones=(0.405, 0.61)), lambda e: by(e, (81, 122), 0.1, 0.01, 0.001)),
    "wrn": (Step(0.1, milestones=(60, 120, 160), gamma=0.2), lambda e: by(e, (60, 120, 160), 0.1, 0.02, 0.004, 0.0008)),
    "resnext": (Step(0.1, milestones=(150, 225)), lambda e: by(e, (150, 225), 0.1, 0.01, 0.001)),
    "densenet on GPUs": (
        Step(0.1, milestones=(76, 151, 211), rates=(0.01, 0.001, 0.0005)),
        lambda e: upto(e, (75, 150, 210), 0.1, 0.01, 0.001, 0.0005),
    ),
    "cosine": (Cosine(0.1, per="epoch"), lambda e: 0.1 / 2 * (1 + math.cos(math.pi * e / 200))),
    "htd": (HTD(0.1, per="epoch"), lambda e: 0.05 * (1 - math.tanh(9 * e / 200 - 6))),
    "origin 3, htd": (
        HTD(0.5, floor=0.001, warmup_epochs=10, per="epoch", lower=-5, upper=2),
        lambda e: (
            (0.5 - 0.001) / 10 * (e + 0.5)
            if e < 10
            else 0.001 + (0.5 - 0.001) / 2 * (1 - math.tanh(-5 + (2 + 5) * e / 200))
        ),
    ),
    "origin 3, cosine": (
        Cosine(0.4, floor=0.003, warmup_epochs=5, per="epoch"),
        lambda e: (
            (0.4 - 0.003) / 5 * (e + 0.5) if e < 5 else 0.003 + (0.4 - 0.003) / 2 * (1 + math.cos(e / 200 * math.pi))
        ),
    ),
}


def by(epoch: int, before: tuple[int, ...], *rates: float) -> float:
    """As the origins write it: `if epoch < 81: return 0.1; if epoch < 122: ...`."""
    return next((rate for bound, rate in zip(before, rates, strict=False) if epoch < bound), rates[-1])


def upto(epoch: int, last: tuple[int, ...], *rates: float) -> float:
    return next((rate for bound, rate in zip(last, rates, strict=False) if epoch <= bound), rates[-1])


@pytest.mark.parametrize(("schedule", "origin"), ORIGINS.values(), ids=ORIGINS)
def test_rates_are_the_origins(schedule, origin):
    for epoch in range(200):
        for step in (0, 2):  # the first and the last step of an epoch
            rate = learning_rate(schedule, 3 * epoch + step, 600, 3)
            assert rate == pytest.approx(origin(epoch), rel=1e-13), epoch


@pytest.mark.parametrize("kind", KINDS)
def test_a_rate_by_epoch_is_that_of_a_training_with_a_step_an_epoch(kind):
    values = {"milestones": (0.5,)} if kind is Step else {}
    by_epoch = rates(kind(0.1, per="epoch", **values), 12 * 7, steps_per_epoch=7)
    assert by_epoch[::7] == by_epoch[6::7] == rates(kind(0.1, **values), 12, steps_per_epoch=1)


def test_a_last_part_of_an_epoch_counts_as_a_part():
    assert rates(Linear(1.0, per="epoch"), 25)[::10] == pytest.approx([1, 0.6, 0.2])  # of 2.5 epochs


@given(
    st.sampled_from(KINDS), st.sampled_from(["step", "epoch"]), st.integers(1, 400), st.integers(1, 60), st.floats(0, 9)
)
def test_any_total_gives_rates_between_zero_and_the_peak(kind, per, total, steps_per_epoch, warmup):
    values = {"peak": 0.1, "per": per, "milestones": (0.5, 0.75), "warmup_epochs": warmup}
    schedule = kind(**{field.name: values[field.name] for field in fields(kind) if field.name in values})
    assert all(0 < rate <= 0.1 * (1 + 1e-12) for rate in rates(schedule, total, steps_per_epoch))


@pytest.mark.parametrize("kind", [Linear, Cosine, OneCycle, HTD])
def test_they_run_to_their_end_in_any_total(kind):
    for total in (30, 1000):
        assert rates(kind(0.1), total)[-1] < 0.1 * 0.04


def test_kinds_have_names_of_their_own():
    assert len({kind.kind for kind in KINDS}) == len(KINDS) > 4
