"""The same training twice has the same bits; and so has one that goes on from the state of the other, with its noise.

In float32 on the CPU, with as many threads as a user has. The loss is scaled as it is in float16 on a GPU.
"""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from family_networks import ONE_OF_A_FAMILY, is_light
from netspec import Graph, functional as f, trace
from netspec.init import Weights, initial_weights
from netspec.reduce import reduced
from parity.memory import release
from parity.noise_task import noise_task
from training_sides import framework, trained
from trainspec.optim import step_settings
from trainspec.recipes import override
from trainspec.schedules import Place
from trainspec.state import FIRST_SCALE, TrainState, scale_in
from trainspec.trainer import Trainer
from two_halves import recipe_of, stepped

FAMILIES = sorted(
    (family for family, name in ONE_OF_A_FAMILY.items() if is_light(reduced(name))),
    key=lambda family: len(reduced(ONE_OF_A_FAMILY[family]).nodes),
)
PLAIN = {"torch": FAMILIES[:5], "keras": FAMILIES[:2]}  # the others take minutes


def equal_bits(one: Weights, other: Weights) -> list[str]:
    """The names of the tensors that differ."""
    assert one.keys() == other.keys()
    return [name for name in one if one[name].tobytes() != other[name].tobytes()]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        pytest.param(name, family, marks=() if family in plain else pytest.mark.long)
        for name, plain in PLAIN.items()
        for family in FAMILIES
    ],
)
def test_the_same_seed_twice(name, family):
    task = noise_task(
        reduced(ONE_OF_A_FAMILY[family], num_classes=10), override(recipe_of("adamw"), {"precision": "fp32"})
    )
    one, other = (trained(name, task, 6) for _ in range(2))
    assert not equal_bits(one, other)
    release()


@pytest.mark.parametrize("name", ["torch", "keras"])
def test_a_run_says_whether_it_repeats_to_the_bit(name):
    device = framework(name).choose_device("fp32", None)
    try:
        fast = device.repeating(False)
    finally:
        usual = device.repeating(None)  # as other tests have it
    assert (usual.deterministic, fast.deterministic) == (True, False)
    assert "the same seed gives the same bits again" in usual.determinism
    assert "may differ in the last bits" in fast.determinism


def test_an_evaluation_leaves_it_to_the_training_whether_runs_repeat():
    torch = import_module("torch")
    device = framework("torch").choose_device("fp32", None)
    try:
        for asked in (False, True):
            device.repeating(asked)
            framework("torch").deploy(small(), initial_weights(small()), None)
            assert torch.are_deterministic_algorithms_enabled() == asked
    finally:
        device.repeating(None)


def test_a_seed_of_the_users_own_is_kept():
    keras_devices, tf = import_module("keras_impl.devices"), import_module("tensorflow")
    draws = []
    for _ in range(2):
        tf.random.set_seed(7)
        keras_devices.make_deterministic()
        draws.append(float(tf.random.uniform(())))
    tf.random.set_seed(8)
    keras_devices.make_deterministic()
    assert draws[0] == draws[1] != float(tf.random.uniform(()))


def test_keras_shuffles_after_a_training_that_repeats_to_the_bit():
    framework("keras").choose_device("fp32", None).repeating(True)
    keras = import_module("keras")
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    assert model.fit(np.zeros((4, 2)), np.zeros((4, 1)), shuffle=True, verbose=0).epoch == [0]


def small() -> Graph:
    return trace(
        "small",
        (3, 8, 8),
        lambda x: f.linear(f.dropout(f.flatten(f.relu(f.conv(x, 4, 3, name="conv"))), 0.5), 5, name="fc"),
    )


def scaled(name: str, task) -> Trainer:
    """A trainer whose loss is scaled; on a CPU no command makes one."""
    devices = import_module(f"{name}_impl.devices")
    device = {
        "torch": lambda: devices.Device(import_module("torch").device("cpu"), "CPU", "fp16", 1),
        "keras": lambda: devices.Device(False, "CPU", "fp16", 1),
    }[name]()
    return framework(name).trainer(task.graph, task.weights, task.recipe, device)


@pytest.mark.parametrize("name", ["torch", "keras"])
def test_a_scaled_loss_goes_on(name):
    """Its scale and its counter are in the state: six steps are three and three."""
    task = noise_task(small(), override(recipe_of("sgd"), {"precision": "fp16"}))
    whole, state = scaled(name, task), TrainState()
    first = scale_in(whole.state())
    half = stepped(whole, task, state)
    middle = TrainState.from_json(state.to_json())
    assert scale_in(half) != first, "smaller where a gradient was not finite, or counted"
    end = stepped(whole, task, state)
    other = scaled(name, task)
    other.restore(half)
    assert not equal_bits(other.state(), half)
    again = stepped(other, task, middle)
    assert not equal_bits(end, again)


@pytest.mark.parametrize("name", ["torch", "keras"])
def test_a_first_step_that_overflows_leaves_no_trace(name):
    """Neither in the weights nor in the momentum, which has no value of its own yet."""
    task = noise_task(small(), override(recipe_of("sgd"), {"precision": "fp16"}))
    trainer = scaled(name, task)
    (plan, *_) = task.plan(0).batches(task.batch_size)
    batch = task.batch(plan)
    now = step_settings(task.recipe, task.groups, Place(0, 4, 2))
    trainer.step(trainer.place(replace(batch, images=batch.images * np.float32(1e30))), now)
    state = trainer.state()
    assert (scale_in(scaled(name, task).state())[0], scale_in(state)[0]) == (FIRST_SCALE, FIRST_SCALE / 2)
    for key, value in task.weights.items():
        np.testing.assert_array_equal(state[key], value)
        np.testing.assert_array_equal(state[f"momentum.{key}"], np.zeros_like(value))


@pytest.mark.parametrize("name", ["torch", "keras"])
def test_a_scaled_loss_does_not_scale_the_gradients(name):
    task = noise_task(small(), override(recipe_of("sgd"), {"precision": "fp16"}))
    (plan, *_) = task.plan(0).batches(task.batch_size)
    device = framework(name).choose_device("fp32", None)
    found, expected = (
        trainer.gradients(trainer.place(task.batch(plan)))
        for trainer in (
            scaled(name, task),
            framework(name).trainer(task.graph, task.weights, task.recipe, device),
        )
    )
    assert found.keys() == expected.keys()
    for parameter, gradient in expected.items():
        held = np.isfinite(found[parameter])  # the first scale is too large for some
        assert held.mean() > 0.9
        assert np.abs(found[parameter] - gradient)[held].max() < np.abs(gradient).max() / 10


@pytest.mark.parametrize("name", ["torch", "keras"])
def test_a_scaled_loss_does_not_change_what_is_clipped(name):
    """A step that clips moves the weights as far as in float32, whatever the scale."""
    recipe = override(recipe_of("sgd"), {"precision": "fp16", "optimizer.clip_norm": 0.01})
    task = noise_task(small(), recipe)
    (plan, *_) = task.plan(0).batches(task.batch_size)
    now = step_settings(recipe, task.groups, Place(0, 4, 2))
    device = framework(name).choose_device("fp32", None)
    moved = []
    for trainer in (framework(name).trainer(task.graph, task.weights, recipe, device), scaled(name, task)):
        if "loss_scale.scale" in (state := trainer.state()):
            trainer.restore(state | {"loss_scale.scale": np.array(1024.0)})  # small enough for every gradient
        batch = trainer.place(task.batch(plan))
        norm = np.sqrt(sum((gradient**2).sum() for gradient in trainer.gradients(batch).values()))
        assert norm > 10 * recipe.optimizer.clip_norm
        trainer.step(batch, now)
        moved.append({key: value - task.weights[key] for key, value in trainer.weights().items()})
    expected, found = moved
    for key, change in expected.items():
        assert np.abs(found[key] - change).max() < np.abs(change).max() * 2**-8  # four units of float16
