"""Ops that draw at random, in both frameworks against NumPy by hand: with given draws, with their own, at inference."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch

import keras_impl
import torch_impl
from keras_impl.gradients import with_gradients
from netspec import Graph, draw_noise, explicit_noise, functional as f, trace
from netspec.compare import tensor_difference

Arrays = tuple[np.ndarray, np.ndarray]  # outputs and the gradient by the input
SHAPE = (3, 4, 6)
IMAGES = np.random.default_rng(0).standard_normal((5, *SHAPE))
UPSTREAM = np.random.default_rng(1).standard_normal((5, *SHAPE))


def shaken() -> Graph:
    return trace("shaken", SHAPE, lambda x: f.shake_drop(x, 0.6, name="shake"))


def last(array: np.ndarray) -> np.ndarray:
    return array.transpose(0, 2, 3, 1)


def in_torch(graph: Graph, draws: dict[str, np.ndarray], training: bool = True) -> Arrays:
    """The outputs, and the gradient of `sum(UPSTREAM * outputs)`."""
    model = torch_impl.build(graph).double().train(training)
    x = torch.from_numpy(IMAGES).requires_grad_()
    y = model(x, *(torch.from_numpy(draws[name]) for name in graph.draws))
    (y * torch.from_numpy(UPSTREAM)).sum().backward()
    return y.detach().numpy(), x.grad.numpy()


def in_keras(graph: Graph, draws: dict[str, np.ndarray], training: bool = True) -> Arrays:
    model = keras_impl.build(graph, dtype="float64")
    x = keras.Variable(last(IMAGES), dtype="float64")

    def forward() -> tuple[Any, Any]:
        given = [x.value, *(keras.ops.convert_to_tensor(last(draws[name]), "float64") for name in graph.draws)]
        y = model(given if len(given) > 1 else x.value, training=training)
        return keras.ops.sum(y * last(UPSTREAM)), y

    y, (gradient,) = with_gradients(forward, [x], [])
    return tuple(np.asarray(array).transpose(0, 3, 1, 2) for array in (y, gradient))


SIDES = {"torch": in_torch, "keras": in_keras}


def same(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal to the limit of float64."""
    difference = tensor_difference({"value": np.asarray(expected)}, {"value": np.asarray(found)})
    assert difference.within, str(difference)


@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
def test_shakedrop_by_hand(side: Callable[..., Arrays]) -> None:
    graph = explicit_noise(shaken())
    draws = draw_noise(graph, 5, seed=3)
    gate, alpha, beta = draws.values()
    assert set(gate.ravel()) == {0, 1}
    made, gradient = side(graph, draws)
    for image in range(5):
        ahead, back = (1.0, 1.0) if gate[image] else (alpha[image].item(), beta[image].item())
        same(made[image], IMAGES[image] * ahead)
        np.testing.assert_array_equal(gradient[image], UPSTREAM[image] * back)


@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
def test_shakedrop_at_inference_is_its_expectation(side: Callable[..., Arrays]) -> None:
    made, gradient = side(shaken(), {}, training=False)
    same(made, IMAGES * 0.6)
    same(gradient, UPSTREAM * 0.6)


@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
def test_shakedrop_draws_for_itself(side: Callable[..., Arrays]) -> None:
    """Each image has one factor of its own in -1..1, and one in 0..1 for its gradient; both are 1 or neither is."""
    made, gradient = (np.concatenate(parts) for parts in zip(*(side(shaken(), {}) for _ in range(20)), strict=True))
    ahead, back = made / np.tile(IMAGES, (20, 1, 1, 1)), gradient / np.tile(UPSTREAM, (20, 1, 1, 1))
    for factors, low in ((ahead, -1), (back, 0)):
        factors = factors.reshape(100, -1)
        same(factors, np.broadcast_to(factors[:, :1], factors.shape))
        assert low <= round(factors.min(), 9) < round(factors.max(), 9) <= 1
    open_gates = np.round(back[:, 0, 0, 0], 9) == 1
    np.testing.assert_array_equal(open_gates, np.round(ahead[:, 0, 0, 0], 9) == 1)
    assert 0.35 < open_gates.mean() < 0.85


def patched() -> Graph:
    return trace("patched", SHAPE, lambda x: f.patch_up(x, name="patch"))


@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
@pytest.mark.parametrize("weight", [0.0, 0.3])  # hard and soft
def test_patchup_by_hand(side: Callable[..., Arrays], weight: float) -> None:
    graph = explicit_noise(patched())
    mask, partner = list(draw_noise(graph, 5, seed=3).values())[:2]
    given = np.full((1, 1, 1, 1), weight)
    made, gradient = side(graph, dict(zip(graph.draws, (mask, partner, given), strict=True)))
    expected, back = np.empty_like(IMAGES), np.zeros_like(IMAGES)
    for image, other in enumerate(partner.ravel()):
        for cell in np.ndindex(SHAPE):
            own = 1.0 if mask[0][cell] else weight
            expected[image][cell] = own * IMAGES[image][cell] + (1 - own) * IMAGES[other][cell]
            back[image][cell] += own * UPSTREAM[image][cell]
            back[other][cell] += (1 - own) * UPSTREAM[image][cell]
    same(made, expected)
    same(gradient, back)


@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
@pytest.mark.parametrize("training", [False, True])
def test_patchup_does_nothing_without_draws_and_with_a_mask_of_ones(
    side: Callable[..., Arrays], training: bool
) -> None:
    for graph in (patched(), explicit_noise(patched())):
        _, partner, weight = draw_noise(explicit_noise(patched()), 5).values()
        draws = dict(zip(graph.draws, (np.ones((1, *SHAPE)), partner, weight), strict=False))
        made, gradient = side(graph, draws, training=training)
        np.testing.assert_array_equal(made, IMAGES)
        np.testing.assert_array_equal(gradient, UPSTREAM)


def test_positions_survive_a_half_precision() -> None:
    """A batch position above 256 has no bfloat16 of its own."""
    graph = explicit_noise(trace("many", (1, 1, 1), lambda x: f.patch_up(x, name="patch")))
    images, positions = (
        np.arange(600.0, dtype=np.float32).reshape(-1, 1, 1, 1),
        np.arange(600)[::-1].reshape(-1, 1, 1, 1),
    )
    model = keras_impl.build(graph, dtype="mixed_bfloat16")
    made = model([images, np.zeros((1, 1, 1, 1)), positions, np.zeros((1, 1, 1, 1))])
    np.testing.assert_array_equal(np.asarray(made, np.float32), images[::-1])


@pytest.mark.parametrize("op", [lambda x: f.shake_drop(x, 0.6), f.patch_up], ids=["shake_drop", "patch_up"])
def test_they_survive_export_and_saving(op: Callable[..., Any], tmp_path: Any) -> None:
    graph = trace("saved", SHAPE, lambda x: f.linear(f.flatten(op(x)), 3, name="fc"))
    images = torch.from_numpy(IMAGES).float()
    model = torch_impl.build(graph).eval()
    exported = torch.export.export(model, (images,)).module()
    traced = torch.jit.trace(model, (images,))
    for other in (exported, traced):
        same(other(images).detach().numpy(), model(images).detach().numpy())
    network = keras_impl.build(graph)
    network.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    fed = last(IMAGES).astype(np.float32)
    same(again(fed), network(fed))
    assert again.spec == graph
