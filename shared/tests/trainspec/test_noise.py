"""Masks are a pure function of (seed, epoch, node, sample, visit), and keep what their op says."""

import hashlib

import numpy as np
import pytest

from netspec import explicit_noise, functional as f, trace
from trainspec.noise import draw_masks
from trainspec.plan import BatchPlan, EpochPlan, draw_epoch

SAMPLES = 40


@pytest.fixture(scope="module")
def graph():
    def network(x):
        x = f.dropout(f.conv(x, 6, 3, name="conv"), 0.3)
        x = f.add(x, f.stochastic_depth(f.conv(x, 6, 3, name="branch"), 0.8))
        return f.linear(f.dropout(f.flatten(x), 0.5), 5, name="fc")

    return explicit_noise(trace("noisy", (3, 6, 4), network))


def masks_of(graph, batch_size: int, seed: int = 3, epoch: int = 1) -> dict[str, np.ndarray]:
    """Of all samples, in their own order."""
    plan = draw_epoch(seed, epoch, SAMPLES)
    drawn = [draw_masks(graph, part) for part in plan.batches(batch_size)]
    return {name: np.concatenate([part[name] for part in drawn])[np.argsort(plan.order)] for name in graph.draws}


def test_shapes_and_values(graph):
    masks = masks_of(graph, 8)
    assert {name: mask.shape[1:] for name, mask in masks.items()} == {
        "noise.conv.dropout": (6, 4, 6),
        "noise.branch.stochastic_depth": (1, 1, 1),
        "noise.conv.dropout.add.flatten.dropout": (144,),
    }
    for mask in masks.values():
        assert mask.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 1}


def test_the_batch_size_and_the_order_do_not_matter(graph):
    one, other = masks_of(graph, 8), masks_of(graph, 13)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_seed_epoch_node_and_sample_matter(graph):
    first = masks_of(graph, 8)
    for other in (masks_of(graph, 8, seed=4), masks_of(graph, 8, epoch=2)):
        assert not any(np.array_equal(first[name], other[name]) for name in first)
    flat = first["noise.conv.dropout.add.flatten.dropout"]
    assert len(np.unique(flat, axis=0)) == SAMPLES
    assert not np.array_equal(flat, first["noise.conv.dropout"].reshape(SAMPLES, -1))


def test_a_sample_that_comes_again_has_another_mask(graph):
    order = np.array([5, 7, 5, 5, 7, 1], np.int32)
    plan = EpochPlan(3, 1, order, {})
    assert plan.visits.tolist() == [0, 0, 1, 2, 1, 0]
    (batch,) = plan.batches(6)
    flat = draw_masks(graph, batch)["noise.conv.dropout.add.flatten.dropout"]
    assert len(np.unique(flat, axis=0)) == 6
    once = BatchPlan(3, 1, order[:1], np.zeros(1, np.int64), {})
    assert np.array_equal(draw_masks(graph, once)["noise.conv.dropout.add.flatten.dropout"][0], flat[0])


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.9, 1 / 3])
def test_the_share_that_is_kept(rate):
    graph = explicit_noise(trace("wide", (3, 16, 16), lambda x: f.linear(f.dropout(f.flatten(x), rate), 2, name="fc")))
    (mask,) = masks_of(graph, SAMPLES).values()
    deviation = np.sqrt(rate * (1 - rate) / mask.size)
    assert abs(mask.mean() - (1 - rate)) < 5 * deviation


def shaken(seed: int = 3) -> dict[str, np.ndarray]:
    """The draws of ShakeDrop for 4000 samples."""
    graph = explicit_noise(trace("shaken", (3, 4, 4), lambda x: f.flatten(f.shake_drop(f.relu(x), 0.7))))
    plan = draw_epoch(seed, 0, 4000)
    (batch,) = plan.batches(4000)
    return draw_masks(graph, batch)


def test_shakedrop_draws_a_gate_and_two_numbers_for_each_image():
    gate, alpha, beta = (shaken()[f"noise.relu.shake_drop.{name}"] for name in ("gate", "alpha", "beta"))
    assert gate.shape == alpha.shape == beta.shape == (4000, 1, 1, 1)
    assert (gate.dtype, alpha.dtype, beta.dtype) == (np.uint8, np.float64, np.float64)
    assert abs(gate.mean() - 0.7) < 5 * np.sqrt(0.21 / 4000)
    for values, low, high in ((alpha, -1, 1), (beta, 0, 1)):
        assert low <= values.min() < values.max() < high
        even = (np.arange(4000) + 0.5) / 4000
        assert abs(np.sort((values.ravel() - low) / (high - low)) - even).max() < 1.95 / np.sqrt(4000)  # Kolmogorov
    assert abs(np.corrcoef([gate.ravel(), alpha.ravel(), beta.ravel()])[np.triu_indices(3, 1)]).max() < 0.08


def test_a_uniform_number_is_the_upper_bits_of_a_word():
    name = "noise.relu.shake_drop.alpha"
    node = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    key, sample = np.array([3, 3], np.uint64), draw_epoch(3, 0, 4000).order[5]
    word = np.random.Philox(key=key, counter=np.array([0, 0, sample, node], np.uint64)).random_raw()
    assert shaken()[name][5].item() == 2 * ((word >> 11) / 2**53) - 1


def test_hardly_any_rate_keeps_everything():
    graph = explicit_noise(trace("kept", (3, 8, 8), lambda x: f.linear(f.dropout(f.flatten(x), 1e-9), 2, name="fc")))
    (mask,) = masks_of(graph, SAMPLES).values()
    assert mask.all()


def test_the_words_are_those_of_philox(graph):
    """Written out once more: key (seed, epoch and purpose), counter (block, visit, sample, node), 16 bits a value."""
    name = "noise.conv.dropout.add.flatten.dropout"
    node = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    generator = np.random.Philox(
        key=np.array([3, 1 << 8 | 3], np.uint64), counter=np.array([0, 0, 17, node], np.uint64)
    )
    lanes = generator.random_raw(36).astype("<u8").view("<u2")
    assert np.array_equal(masks_of(graph, 8)[name][17], lanes < 0.5 * 2**16)
