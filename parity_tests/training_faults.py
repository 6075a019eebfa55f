"""Five faults of a training for each framework, which `lockstep` plants into its processes by name.

Each function changes modules of the framework in the process that calls it.
"""

from dataclasses import replace

import numpy as np

DECAY = 5e-4


def decay_on_biases_torch():
    import torch_impl.trainer as module

    right = module.apply_settings

    def apply_settings(optimizer, now):
        right(optimizer, now)
        for group in optimizer.param_groups:
            group["weight_decay"] = DECAY

    module.apply_settings = apply_settings


def decay_on_biases_keras():
    import keras_impl.optim as module

    right = module.sgd
    module.HANDLERS["sgd"] = lambda recipe, update: right(recipe, replace(update, decay=DECAY))


def late_rate(trainer, second_half):
    """Each update gets the settings of the one before it. The last argument of `second_half` is the settings."""
    right, last = getattr(trainer, second_half), {}

    def late(self, *given):
        right(self, *given[:-1], last.get(id(self), given[-1]))
        last[id(self)] = given[-1]

    setattr(trainer, second_half, late)


def late_rate_torch():
    from torch_impl.trainer import Trainer

    late_rate(Trainer, "update")


def late_rate_keras():
    from keras_impl.trainer import Trainer

    late_rate(Trainer, "_end")


def biased_variance_torch():
    """The running variance takes the variance of the batch without its correction `n / (n - 1)`."""
    from torch_impl.layers import BatchNorm2d

    right = BatchNorm2d.forward

    def forward(self, x):
        kept = (1 - self.momentum) * self.running_var
        result = right(self, x)
        if self.training:
            count = x.numel() // x.shape[1]
            self.running_var.data.copy_(kept + (self.running_var - kept) * (count - 1) / count)
        return result

    BatchNorm2d.forward = forward


def biased_variance_keras():
    import keras_impl.kernels as module

    right = module.batch_norm_of_batch

    def batch_norm_of_batch(x, gamma, beta, epsilon):
        y, mean, variance = right(x, gamma, beta, epsilon)
        count = x.shape[0] * x.shape[1] * x.shape[2]
        return y, mean, variance * (count - 1) / count

    module.batch_norm_of_batch = batch_norm_of_batch


def momentum_sense_torch():
    """The gradient is weighted by `1 - momentum` before it is added."""
    import torch_impl.trainer as module

    right = module.optimizer_of

    def optimizer_of(model, recipe, groups):
        made = right(model, recipe, groups)
        for group in made.param_groups:
            group["dampening"], group["nesterov"] = recipe.momentum, False
        return made

    module.optimizer_of = optimizer_of


def momentum_sense_keras():
    import keras_impl.optim as module

    def heavy_ball(recipe, gradient, update):
        buffer = update.slots["momentum"]
        update.keep("momentum", recipe.momentum * buffer)
        update.add("momentum", (1 - recipe.momentum) * gradient)
        return gradient + recipe.momentum * buffer if recipe.nesterov else buffer

    module.heavy_ball = heavy_ball


def smoothing_off(device):
    right = device.feed

    def feed(self, batch):
        return right(self, replace(batch, targets=np.eye(batch.targets.shape[1])[batch.targets.argmax(1)]))

    device.feed = feed


def smoothing_off_torch():
    from torch_impl.devices import Device

    smoothing_off(Device)


def smoothing_off_keras():
    from keras_impl.devices import Device

    smoothing_off(Device)
