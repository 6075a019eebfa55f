"""Inverse distribution functions against closed forms, the standard library and SciPy (pinned, and where it is)."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from trainspec.distributions import below, beta, normal, uniform

EDGES = np.array([0, 1 << 44, 1 << 58, 1 << 62, (1 << 63) - 1, 3 << 62, 2**64 - (1 << 50), 2**64 - 1], np.uint64)
WORDS = np.concatenate([EDGES, np.random.Philox(key=5).random_raw(2000)])
SHARE = uniform(WORDS)
SHAPES = [(0.01, 0.01), (0.2, 0.2), (0.4, 0.4), (1, 1), (8, 8), (100, 100), (2, 3), (20, 0.5), (0.01, 100), (100, 0.01)]


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


# scipy.stats.norm.ppf and scipy.special.betaincinv of SciPy 1.17.1, at EDGES
NORMAL = numbers(
    "-8.209536151601387 -4.763001034244332 -2.153874694061453 -0.6744897501960815 "
    "-2.782916424671767e-16 0.6744897501960821 3.841930685502357 8.209536151601387"
)
BETA = {
    (0.2, 0.2): numbers(
        "4.1798655116495196e-79 1.9548416936494545e-29 2.3078696864998778e-08 0.023814718768253734 "
        "0.5 0.9761852812317463 1.0 1.0"
    ),
    (0.4, 0.4): numbers(
        "4.8255048352883545e-40 3.3000262732392573e-15 0.00011338252940917362 0.11050334183422311 "
        "0.5 0.8894966581657772 0.9999999998918647 1.0"
    ),
    (8, 8): numbers(
        "0.0033943441229587474 0.0620688300414128 0.2458485713328416 0.41498947190833213 "
        "0.5 0.585010528091668 0.8914802324370953 0.9966056558770413"
    ),
    (2, 3): numbers(
        "4.301594725588787e-09 0.0003987859895942117 0.052891804732873346 0.24302208375607637 "
        "0.3857275681323895 0.5436782854190804 0.9750401276532683 0.999996972270482"
    ),
    (20, 0.5): numbers(
        "0.17594168585156894 0.5446287915730113 0.8624919794452941 0.967057335168957 "
        "0.988549743294424 0.9974331067392086 0.9999999998518683 1.0"
    ),
}


def test_uniform_numbers_are_inside_their_limits():
    assert uniform(EDGES)[[0, -1]].tolist() == [2.0**-53, 1 - 2.0**-53]
    numbers = uniform(WORDS, -3, 5)
    assert -3 < numbers.min() < numbers.max() < 5
    np.testing.assert_array_equal(below(EDGES, 7), [int(word) % 7 for word in EDGES.tolist()])
    assert uniform(WORDS[:6].reshape(2, 3)).shape == beta(WORDS[:6].reshape(2, 3), 2, 3).shape == (2, 3)


def test_normal_numbers():
    assert normal(EDGES) == pytest.approx(NORMAL, rel=1e-14, abs=1e-15)
    assert normal(WORDS) == pytest.approx([NormalDist().inv_cdf(share) for share in SHARE], rel=1e-14, abs=1e-15)
    back = [math.erfc(-number / math.sqrt(2)) / 2 for number in normal(WORDS)]
    assert back == pytest.approx(SHARE, rel=1e-13, abs=0)


@pytest.mark.parametrize("shape", BETA, ids=str)
def test_beta_numbers_are_those_of_scipy(shape):
    assert beta(EDGES, *shape) == pytest.approx(BETA[shape], rel=1e-12, abs=0)


def test_beta_numbers_with_a_closed_form():
    assert beta(WORDS, 1, 1) == pytest.approx(SHARE, rel=1e-12, abs=0)
    assert beta(WORDS, 3.5, 1) == pytest.approx(SHARE ** (1 / 3.5), rel=1e-12, abs=0)
    assert beta(WORDS, 1, 3.5) == pytest.approx(-np.expm1(np.log1p(-SHARE) / 3.5), rel=1e-12, abs=1e-16)
    assert beta(WORDS, 0.5, 0.5) == pytest.approx(np.sin(np.pi * SHARE / 2) ** 2, rel=1e-12, abs=0)


@pytest.mark.parametrize(("a", "b"), SHAPES, ids=str)
def test_beta_numbers_have_their_moments(a, b):
    """At evenly spread shares, a sum is an integral."""
    words = (np.arange(20_000, dtype=np.uint64) * np.uint64(2**64 // 20_000)) + np.uint64(2**63 // 20_000)
    numbers = beta(words, a, b)
    assert (np.diff(numbers) >= 0).all()
    assert 0 <= numbers[0] <= numbers[-1] <= 1
    assert numbers.mean() == pytest.approx(a / (a + b), abs=3e-5)
    assert numbers.var() == pytest.approx(a * b / (a + b) ** 2 / (a + b + 1), abs=3e-5)


@pytest.mark.parametrize(("a", "b"), SHAPES, ids=str)
def test_beta_numbers_by_scipy_itself(a, b):
    from scipy import special

    assert beta(WORDS, a, b) == pytest.approx(special.betaincinv(a, b, SHARE), rel=1e-10, abs=1e-12)
