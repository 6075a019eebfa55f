"""When an average is updated, and by how much."""

import pytest

from trainspec.averages import EMA, Averaging, Lookahead
from trainspec.recipes import Recipe
from trainspec.schedules import Place

TOTAL = 12


def weights(average):
    found = {step: average.at(Place(step, TOTAL, 4)) for step in range(TOTAL)}
    return {step: (now.weight, now.fold) for step, now in found.items() if now}


def test_an_average_of_every_step():
    assert weights(EMA(decay=0.75)) == dict.fromkeys(range(TOTAL), (0.25, False))


def test_the_power_makes_the_first_steps_count_less():
    assert weights(EMA(decay=0.8, every=3, power=1.0)) == {
        2: (pytest.approx(1 - 0.8 * 3 / 12), False),
        5: (pytest.approx(1 - 0.8 * 6 / 12), False),
        8: (pytest.approx(1 - 0.8 * 9 / 12), False),
        11: (pytest.approx(1 - 0.8), False),
    }


def test_lookahead_as_airbench_has_it():
    """`lerp(net, 1 - d)` every five steps with `d = 0.95^5 (t / T)^3`, and once more at the end with `d = 1`."""
    decay = 0.95**5
    assert weights(Lookahead(decay=decay, every=5, power=3.0)) == {
        4: (pytest.approx(1 - decay * (5 / 12) ** 3), True),
        9: (pytest.approx(1 - decay * (10 / 12) ** 3), True),
        11: (0.0, True),
    }


def test_the_papers_lookahead():
    assert Lookahead().at(Place(4, 100, 10)) == Averaging(0.5, True)
    assert Lookahead().at(Place(5, 100, 10)) is None


@pytest.mark.parametrize(("epochs", "steps"), [(9.9, 476), (1.0, 48), (0.001, 1), (0.5, 24), (1 / 48, 1)])
def test_a_part_of_a_step_counts_as_one(epochs, steps):
    assert Recipe(epochs=epochs).steps(48) == steps
