from hypothesis import given, settings, strategies as st

from trainspec.runs import Budget


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def train(seconds, step_seconds, image_seconds, *, compile_seconds=0.0, drift=0.0, steps_per_epoch=100, build=0.0):
    """A training on a clock of its own: the seconds it took, its fits, and whether its schedule ended."""
    clock = Clock()
    budget = Budget(seconds, 128, steps_per_epoch, 1, 1000, 2000, build, clock=clock)
    passes = [compile_seconds / 3, 0.0]

    def evaluate():
        clock.now += 32 * image_seconds + passes.pop(0)

    budget.try_evaluation(evaluate, 32)
    total, step, fits, ended = 10**9, 0, 0, True
    while True:
        if (fitted := budget.fit(step)) is not None:
            ended, total, fits = not fitted == step < total, fitted, fits + 1
        if step >= total:
            break
        clock.now += step_seconds * (1 + drift * clock.now / seconds) + (compile_seconds if step == 0 else 0)
        step += 1
        if step % steps_per_epoch == 0 or step == total:
            with budget.evaluating(1000):
                clock.now += 1000 * image_seconds
    clock.now += 2000 * image_seconds + build
    return clock.now, fits, ended, budget


@settings(max_examples=60)
@given(st.floats(60, 1800), st.floats(0.02, 0.2), st.floats(0, 0.0002), st.floats(0, 15), st.floats(-0.3, 0.5))
def test_the_training_fills_its_budget(seconds, step_seconds, image_seconds, compile_seconds, drift):
    took, fits, ended, _ = train(seconds, step_seconds, image_seconds, compile_seconds=compile_seconds, drift=drift)
    assert ended
    assert 0.9 * seconds <= took + compile_seconds <= 1.01 * seconds + compile_seconds  # passes that need not compile
    assert fits < 100


@settings(max_examples=60)
@given(st.floats(10, 600), st.floats(0.05, 60), st.floats(0, 0.01), st.floats(0, 30), st.floats(0, 5))
def test_a_short_budget_is_kept_or_the_run_says_that_it_is_not(seconds, step_seconds, image_seconds, once, build):
    took, _, ended, budget = train(seconds, step_seconds, image_seconds, compile_seconds=once, build=build)
    assert (ended and took <= max(1.1 * seconds, seconds + 5)) or not ended or budget.exceeded


def test_a_budget_of_few_steps_ends_its_schedule():
    took, _, ended, _ = train(20, 3.0, 0.0001, compile_seconds=6.0)
    assert ended
    assert 14 < took < 25


def test_a_budget_that_is_over_after_the_first_steps_cuts_the_schedule():
    took, _, ended, _ = train(20, 30.0, 0)
    assert took == 30.0
    assert not ended
