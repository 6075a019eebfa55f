"""Faults of a training step, one function for each framework. `parity.lockstep` plants them into its processes.

Each function changes modules of the framework in the process that calls it. The frameworks are given as `Any`, so that
this file imports none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np

DECAY = 5e-4
NORM, NOISE = frozenset({"batch_norm"}), frozenset({"dropout"})


@dataclass(frozen=True)
class StepFault:
    """`stage` is the stage of `parity.lockstep` that has to be named, `plants` the function for each framework.

    `needs` are kinds of ops: in a network without any of them there is nothing to change. Without `needs` there is.
    """

    stage: str
    plants: Mapping[str, Callable[[], None]]
    needs: frozenset[str] = frozenset()


def decay_on_biases_torch() -> None:
    module: Any = import_module("torch_impl.trainer")
    right = module.apply_settings

    def apply_settings(optimizer: Any, now: Any) -> None:
        right(optimizer, now)
        for group in optimizer.param_groups:
            group["weight_decay"] = DECAY

    module.apply_settings = apply_settings


def decay_on_biases_keras() -> None:
    module: Any = import_module("keras_impl.optim")
    right = module.sgd
    module.HANDLERS["sgd"] = lambda recipe, update: right(recipe, replace(update, decay=DECAY))


def late_rate(trainer: Any, second_half: str) -> None:
    """Each update gets the settings of the one before it. The last argument of `second_half` is the settings."""
    right, last = getattr(trainer, second_half), dict[int, Any]()

    def late(self: Any, *given: Any) -> None:
        right(self, *given[:-1], last.get(id(self), given[-1]))
        last[id(self)] = given[-1]

    setattr(trainer, second_half, late)


def late_rate_torch() -> None:
    late_rate(import_module("torch_impl.trainer").Trainer, "update")


def late_rate_keras() -> None:
    late_rate(import_module("keras_impl.trainer").Trainer, "_end")


def biased_variance_torch() -> None:
    """The running variance takes the variance of the batch without its correction `n / (n - 1)`."""
    norm: Any = import_module("torch_impl.layers").BatchNorm2d
    right = norm.forward

    def forward(self: Any, x: Any) -> Any:
        kept = (1 - self.momentum) * self.running_var
        result = right(self, x)
        if self.training:
            count = x.numel() // x.shape[1]
            self.running_var.data.copy_(kept + (self.running_var - kept) * (count - 1) / count)
        return result

    norm.forward = forward


def biased_variance_keras() -> None:
    module: Any = import_module("keras_impl.kernels")
    right = module.batch_norm_of_batch

    def batch_norm_of_batch(x: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
        y, mean, variance = right(x, gamma, beta, epsilon)
        count = x.shape[0] * x.shape[1] * x.shape[2]
        return y, mean, variance * (count - 1) / count

    module.batch_norm_of_batch = batch_norm_of_batch


def momentum_sense_torch() -> None:
    """The gradient is weighted by `1 - momentum` before it is added."""
    module: Any = import_module("torch_impl.trainer")
    right = module.optimizer_of

    def optimizer_of(model: Any, recipe: Any, groups: Any) -> Any:
        made = right(model, recipe, groups)
        for group in made.param_groups:
            group["dampening"], group["nesterov"] = recipe.momentum, False
        return made

    module.optimizer_of = optimizer_of


def momentum_sense_keras() -> None:
    module: Any = import_module("keras_impl.optim")

    def heavy_ball(recipe: Any, gradient: Any, update: Any) -> Any:
        buffer = update.slots["momentum"]
        update.keep("momentum", recipe.momentum * buffer)
        update.add("momentum", (1 - recipe.momentum) * gradient)
        return gradient + recipe.momentum * buffer if recipe.nesterov else buffer

    module.heavy_ball = heavy_ball


def smoothing_off(device: Any) -> None:
    right = device.feed

    def feed(self: Any, batch: Any) -> Any:
        return right(self, replace(batch, targets=np.eye(batch.targets.shape[1])[batch.targets.argmax(1)]))

    device.feed = feed


def smoothing_off_torch() -> None:
    smoothing_off(import_module("torch_impl.devices").Device)


def smoothing_off_keras() -> None:
    smoothing_off(import_module("keras_impl.devices").Device)


def noise_left_on_torch() -> None:
    """Evaluation is in training mode: dropout drops, and a norm uses the statistics of the batch."""
    trainer: Any = import_module("torch_impl.trainer").Trainer
    right = trainer.evaluated
    trainer.evaluated = lambda self, averaged: right(self, averaged).train()


def noise_left_on_keras() -> None:
    trainer: Any = import_module("keras_impl.trainer").Trainer

    def logits(self: Any, images: Any, averaged: bool = False) -> Any:
        return np.asarray(self.evaluated(averaged)(images.astype(self.device.dtype), training=True))

    trainer.logits = logits


STEP_FAULTS = {
    "decay on biases": StepFault("update", {"torch": decay_on_biases_torch, "keras": decay_on_biases_keras}),
    "rate a step late": StepFault("update", {"torch": late_rate_torch, "keras": late_rate_keras}),
    "biased variance": StepFault("statistics", {"torch": biased_variance_torch, "keras": biased_variance_keras}, NORM),
    "momentum sense": StepFault("update", {"torch": momentum_sense_torch, "keras": momentum_sense_keras}),
    "label smoothing off": StepFault("forward", {"torch": smoothing_off_torch, "keras": smoothing_off_keras}),
    "dropout left on": StepFault("forward", {"torch": noise_left_on_torch, "keras": noise_left_on_keras}, NORM | NOISE),
}
