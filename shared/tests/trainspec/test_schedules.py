import math
from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given, strategies as st

from trainspec.schedules import HTD, AnySchedule, Constant, Cosine, OneCycle, Schedule, Step, learning_rate

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


def test_htd_is_the_papers():
    schedule = HTD(0.1)
    assert learning_rate(schedule, 0, 100, 10) == pytest.approx(0.1 * 0.999994, rel=1e-6)
    assert learning_rate(schedule, 100, 100, 10) == pytest.approx(0.1 * 0.00247, rel=2e-3)


@given(st.sampled_from(KINDS), st.integers(1, 400), st.integers(1, 60), st.floats(0, 9))
def test_any_total_gives_rates_between_zero_and_the_peak(kind, total, steps_per_epoch, warmup):
    values = {"peak": 0.1, "milestones": (0.5, 0.75), "warmup_epochs": warmup}
    schedule = kind(**{field.name: values[field.name] for field in fields(kind) if field.name in values})
    assert all(0 < rate <= 0.1 * (1 + 1e-12) for rate in rates(schedule, total, steps_per_epoch))


@pytest.mark.parametrize("kind", [Cosine, OneCycle, HTD])
def test_they_run_to_their_end_in_any_total(kind):
    for total in (30, 1000):
        assert rates(kind(0.1), total)[-1] < 0.1 * 0.01


def test_kinds_have_names_of_their_own():
    assert len({kind.kind for kind in KINDS}) == len(KINDS) > 4
