"""The comparison engine passes what is equal, fails what is not, and refuses what proves nothing."""

import numpy as np
import pytest

from diptych.errors import ParityError
from netspec.compare import (
    forward_difference,
    largest_difference,
    limits,
    relative_norm,
    spread,
    tensor_difference,
)

IMAGES = limits().least_images


@pytest.fixture
def outputs():
    return np.random.default_rng(0).standard_normal((IMAGES, 10)).astype(np.float32)


def test_equal_outputs_are_within(outputs):
    difference = forward_difference(outputs, outputs.copy())
    assert difference.within
    assert difference.value == 0


def test_weights_are_compared_by_their_norm_and_by_their_largest_value():
    a, b = {"w": np.float32([3, 4]), "v": np.float32([0, 0])}, {"w": np.float32([3, 1]), "v": np.float32([0, 2])}
    assert largest_difference(a, b) == ("w", 3)
    assert relative_norm(a["w"], b["w"]) == pytest.approx(3 / 5)
    assert relative_norm(a["v"], b["v"]) == 2
    assert largest_difference(a, {**b, "v": np.float32([np.nan, 0])})[0] == "v"


def test_the_difference_is_over_the_spread(outputs):
    other = outputs.astype(np.float64)
    other[3, 4] += 0.5 * spread(outputs)
    assert forward_difference(outputs, other, "here").value == pytest.approx(0.5)
    assert forward_difference(outputs, other, "here").where == "here"
    # an offset that all images share changes nothing that the difference is judged by
    assert forward_difference(outputs + 100.0, other + 100.0).value == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(("share", "within"), [(0.9, True), (1.1, False)])
def test_the_limit_of_outputs(outputs, share, within):
    a = outputs.astype(np.float64)
    b = a.copy()
    b[0, 0] += share * limits().float32_forward * spread(a)
    assert forward_difference(a, b).within is within


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_fails_on_either_side(outputs, bad):
    broken = outputs.copy()
    broken[1, 2] = bad
    for a, b in ((outputs, broken), (broken, outputs), (broken, broken)):
        with np.errstate(invalid="ignore"):
            assert not forward_difference(a, b).within
            assert not passes({"t": a}, {"t": b})


def test_nan_in_a_small_tensor_is_not_hidden(outputs):
    a = {"big": outputs, "small": np.ones(3), "last": outputs}
    b = {"big": outputs + 1, "small": np.array([1, np.nan, 1]), "last": outputs + 2}
    assert not tensor_difference(a, b).within
    assert tensor_difference(a, b).where == "small"
    with pytest.raises(ParityError):
        tensor_difference({"t": np.full(3, np.nan)}, {"t": np.full(3, np.nan)})


def test_infinite_tensors_do_not_pass(outputs):
    infinite = np.full(3, np.inf)
    with np.errstate(invalid="ignore"):
        for a, b in ((infinite, np.ones(3)), (infinite, infinite), (np.ones(3), infinite)):
            assert not passes({"t": a, "u": outputs}, {"t": b, "u": outputs + 1})


def passes(a, b) -> bool:
    try:
        return tensor_difference(a, b).within
    except ParityError:
        return False


def test_too_few_images(outputs):
    with pytest.raises(ParityError, match="too few"):
        forward_difference(outputs[:-1], outputs[:-1])


@pytest.mark.parametrize("constant", [0.0, 5.0])
def test_outputs_that_do_not_depend_on_the_input(constant):
    flat = np.full((IMAGES, 10), constant)
    with pytest.raises(ParityError, match="hardly depend"):
        forward_difference(flat, flat)


def test_outputs_that_hardly_depend_on_the_input(outputs):
    weak = 1.0 + outputs * limits().least_spread / 20
    with pytest.raises(ParityError, match="hardly depend"):
        forward_difference(weak, weak)


def test_images_that_are_all_alike(outputs):
    alike = np.repeat(outputs[:1], IMAGES, 0)
    with pytest.raises(ParityError, match="hardly depend"):
        forward_difference(alike, alike)


def test_other_shapes(outputs):
    with pytest.raises(ParityError, match="shape"):
        forward_difference(outputs, outputs[:, :5])
    with pytest.raises(ParityError, match="'t' has the shape"):
        tensor_difference({"t": np.ones((2, 3))}, {"t": np.ones((3, 2))})
    with pytest.raises(ParityError, match="'t' has the shape"):
        tensor_difference({"t": np.ones((2, 1))}, {"t": np.ones((2, 3))})  # NumPy would broadcast


@pytest.mark.parametrize(
    ("a", "b"),
    [({}, {}), ({"t": 1}, {}), ({}, {"t": 1}), ({"t": 1}, {"u": 1}), ({"t": 1}, {"t": 1, "u": 1})],
)
def test_nothing_or_not_everything_in_common(a, b):
    with pytest.raises(ParityError, match=r"nothing to compare|not the same tensors"):
        tensor_difference({k: np.ones(3) for k in a}, {k: np.ones(3) for k in b})


def test_all_zero():
    with pytest.raises(ParityError, match="zero"):
        tensor_difference({"t": np.zeros(3), "u": np.zeros(2)}, {"t": np.zeros(3), "u": np.zeros(2)})


def test_a_tensor_is_judged_by_its_own_magnitude():
    a, b = {"big": np.array([100.0]), "small": np.array([1.0])}, {"big": np.array([100.0]), "small": np.array([1.5])}
    difference = tensor_difference(a, b)
    assert (difference.where, difference.value) == ("small", pytest.approx(0.5))


def test_a_tiny_tensor_is_judged_by_a_share_of_the_largest():
    """A bias in front of batch norm has a gradient of rounding noise: noise over noise says nothing."""
    a = {"big": np.array([100.0]), "noise": np.array([1e-15])}
    b = {"big": np.array([100.0]), "noise": np.array([3e-15])}
    floor = limits().float64_floor * 100
    assert tensor_difference(a, b).value == pytest.approx(2e-15 / floor)
    assert tensor_difference(a, b).within
    wrong = {**b, "noise": np.array([2 * limits().float64 * floor])}
    assert not tensor_difference(a, wrong).within


def test_the_worst_tensor_is_named():
    a = {name: np.ones(3) for name in "abc"}
    b = {"a": np.ones(3), "b": np.ones(3) + 1e-3, "c": np.ones(3) + 1e-6}
    assert tensor_difference(a, b).where == "b"
    assert "'b'" in str(tensor_difference(a, b))
