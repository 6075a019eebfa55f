"""Faults planted in one shipped trainer are caught in float64, and the report names the step and the stage."""

from dataclasses import replace

import numpy as np
import pytest

import training_sides
from keras_impl.quiet import import_keras
from netspec import functional as f, trace
from parity.noise_task import RECIPE, noise_task
from training_sides import first_apart
from trainspec.averages import EMA
from trainspec.patchup import PatchUp

import_keras()

import keras_impl.devices  # noqa: E402
import keras_impl.optim  # noqa: E402
import keras_impl.trainer  # noqa: E402
import torch_impl.averages  # noqa: E402
import torch_impl.devices  # noqa: E402
import torch_impl.noise  # noqa: E402
import torch_impl.trainer  # noqa: E402


@pytest.fixture
def task():
    """A network with a norm, a bias and dropout, for four steps in two epochs."""

    def network(x):
        x = f.max_pool(f.conv_bn(x, 6, 3, name="stem"), 2)
        return f.linear(f.dropout(f.flatten(x), 0.5), 5, name="fc")

    return noise_task(trace("small", (3, 8, 8), network), replace(RECIPE, average=EMA(decay=0.5), accumulate=2))


def the_rate_after_the_update(patch):
    def update(self, gradients, now):
        for parameter, gradient in zip(self.model.parameters(), gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad()
        torch_impl.trainer.apply_settings(self.optimizer, now)
        self.average.update(now.average)

    patch.setattr(torch_impl.trainer.Trainer, "update", update)


def no_label_smoothing(patch):
    right = keras_impl.devices.Device.feed

    def feed(self, batch):
        return right(self, replace(batch, targets=np.eye(batch.targets.shape[1])[batch.targets.argmax(1)]))

    patch.setattr(keras_impl.devices.Device, "feed", feed)


def a_decay_on_biases(patch):
    right = keras_impl.optim.sgd
    patch.setitem(keras_impl.optim.HANDLERS, "sgd", lambda recipe, update: right(recipe, replace(update, decay=5e-4)))


def in_torch_alone(patch, change):
    """PyTorch's trainer is given the batches of changed plans."""
    right = training_sides.batches_of

    def batches_of(task, trainer):
        made = right(task, trainer)
        faulty = isinstance(trainer, torch_impl.trainer.Trainer)
        return (lambda plans: made(change(plans))) if faulty else made

    patch.setattr(training_sides, "batches_of", batches_of)


def the_last_step_skipped(patch):
    in_torch_alone(patch, lambda plans: list(plans)[:-1])


def a_noise_key_without_its_epoch(patch):
    in_torch_alone(patch, lambda plans: (replace(plan, epoch=0) for plan in plans))


def a_head_without_its_weight(patch):
    right = torch_impl.trainer.loss_of
    patch.setattr(torch_impl.trainer, "loss_of", lambda heads, targets, weights: 2 * right(heads, targets, weights))


def momentum_forgotten(patch):
    right = torch_impl.trainer.optimizer_of

    def optimizer_of(model, recipe, groups):
        return right(model, replace(recipe, momentum=0.5), groups)

    patch.setattr(torch_impl.trainer, "optimizer_of", optimizer_of)


def an_average_without_statistics(patch):
    patch.setattr(torch_impl.averages, "tensors_of", lambda model: dict(model.named_parameters()))


def a_part_of_the_batch_forgotten(patch):
    right = torch_impl.trainer.Trainer._backward

    def backward(self, batch, fraction):
        self.optimizer.zero_grad()
        return right(self, batch, fraction)

    patch.setattr(torch_impl.trainer.Trainer, "_backward", backward)


def patches_of_one_batch_for_all(patch):
    in_torch_alone(patch, lambda plans: (replace(plan, number=0) for plan in plans))


def a_loss_weight_forgotten(patch):
    right = torch_impl.devices.Device.feed
    patch.setattr(torch_impl.devices.Device, "feed", lambda self, batch: replace(right(self, batch), loss_weight=1.0))


def a_gradient_of_the_forward_factor(patch):
    def forward(self, x, gate, alpha, beta):
        gate, alpha = gate.to(x.dtype), alpha.to(x.dtype)
        return x * (gate + alpha - gate * alpha)

    patch.setattr(torch_impl.noise.ShakeDrop, "forward", forward)


FAULTS = {  # fault -> the step and the stage that must be named
    "the rate after the update, torch": (the_rate_after_the_update, "step 1, update"),
    "no label smoothing, keras": (no_label_smoothing, "step 1, targets"),
    "a decay on biases, keras": (a_decay_on_biases, "step 1, update"),
    "the last step of an epoch skipped, torch": (the_last_step_skipped, "step 2, images"),
    "a noise key without its epoch, torch": (a_noise_key_without_its_epoch, "step 3, noise"),
    "a loss of another weight, torch": (a_head_without_its_weight, "step 1, loss"),
    "another momentum, torch": (momentum_forgotten, "step 1, update"),
    "a part of the batch forgotten, torch": (a_part_of_the_batch_forgotten, "step 1, gradients"),
    "an average without statistics, torch": (an_average_without_statistics, "step 1, average"),
}


NOISE_FAULTS = {
    "patches of one batch for all, torch": (patches_of_one_batch_for_all, "step 2, targets"),
    "a loss weight forgotten, torch": (a_loss_weight_forgotten, "step 1, loss"),
    "a gradient of the forward factor, torch": (a_gradient_of_the_forward_factor, "step 2, gradients"),
}


@pytest.fixture
def shaken():
    """A network with PatchUp and ShakeDrop."""

    def network(x):
        x = f.patch_up(f.conv_bn(f.patch_up(x), 6, 3, name="stem"))
        return f.linear(f.flatten(f.shake_drop(f.conv(x, 6, 3, name="branch"), 0.5)), 5, name="fc")

    return noise_task(trace("shaken", (3, 8, 8), network), replace(RECIPE, patchup=PatchUp(gamma=0.5, block=3)))


def test_without_a_fault_nothing_is_apart(task, shaken):
    assert first_apart(task) is None
    assert first_apart(shaken) is None


@pytest.mark.parametrize(("plant", "where"), NOISE_FAULTS.values(), ids=NOISE_FAULTS)
def test_a_fault_in_the_noise_is_caught(shaken, monkeypatch, plant, where):
    plant(monkeypatch)
    assert str(first_apart(shaken)).startswith(where)


@pytest.mark.parametrize(("plant", "where"), FAULTS.values(), ids=FAULTS)
def test_caught_at_its_stage(task, monkeypatch, plant, where):
    plant(monkeypatch)
    assert str(first_apart(task)).startswith(where)
