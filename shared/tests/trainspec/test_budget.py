import pytest
from hypothesis import given, settings, strategies as st

from trainspec.runs import Budget


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def train(seconds, step_seconds, image_seconds, *, compile_seconds=0.0, drift=0.0, steps_per_epoch=100):
    """A training on a clock of its own: the seconds it took, its fits, and whether its schedule ended."""
    clock = Clock()
    budget = Budget(seconds, 128, steps_per_epoch, 1, validation_images=1000, test_images=2000, clock=clock)
    total, step, fits = 10**9, 0, 0
    while step < total:
        if budget.due(step):
            total, fits = budget.total_steps(step), fits + 1
            if step >= total:
                break
        clock.now += step_seconds * (1 + drift * clock.now / seconds) + (compile_seconds if step == 0 else 0)
        step += 1
        if step % steps_per_epoch == 0 or step == total:
            with budget.evaluating(1000):
                clock.now += 1000 * image_seconds
    clock.now += 2000 * image_seconds
    return clock.now, fits, step == total


@settings(max_examples=60)
@given(st.floats(60, 3600), st.floats(0.005, 0.2), st.floats(0, 0.0002), st.floats(0, 15), st.floats(-0.3, 0.5))
def test_the_training_fills_its_budget(seconds, step_seconds, image_seconds, compile_seconds, drift):
    took, fits, ended = train(seconds, step_seconds, image_seconds, compile_seconds=compile_seconds, drift=drift)
    assert ended
    assert 0.9 * seconds <= took <= 1.0 * seconds
    assert fits < 60


def test_a_budget_that_is_over_ends_the_training():
    took, _, ended = train(5, 1.0, 0)
    assert ended
    assert took == pytest.approx(25)


def test_no_fit_without_a_timed_step():
    with pytest.raises(ValueError, match="no step has been timed"):
        Budget(60, 128, 100, 1, 10, 10).total_steps(3)
