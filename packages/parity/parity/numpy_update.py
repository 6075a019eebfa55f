"""The update of a step written out in NumPy, in float64: the judge of both trainers' updates.

The formulas are those that `trainspec.optimizers` and `trainspec.averages` state.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.init import Weights
from trainspec.averages import Averaging
from trainspec.optim import UPDATES, Group, StepSettings
from trainspec.optimizers import SGD, Adam, AdamW, Muon, Optimizer, RMSprop
from trainspec.state import AVERAGE

Array = NDArray[Any]


def updated(
    optimizer: Optimizer,
    groups: Sequence[Group],
    now: StepSettings,
    state: Mapping[str, Array],
    gradients: Mapping[str, Array],
) -> Weights:
    """The trainable weights, their average and the optimizer's slots after a step, named as in `Trainer.state`.

    `state` is the state before the step. `gradients` has the gradient of each trainable parameter.
    """
    settings = {name: own for group, own in zip(groups, now.groups, strict=True) for name in group.names}
    active = {name for name, own in settings.items() if not own.frozen}
    norm = np.sqrt(sum(float((gradients[name] ** 2).sum()) for name in active))
    scale = min(1.0, optimizer.clip_norm / norm) if optimizer.clip_norm and norm else 1.0
    after: Weights = {}
    for name, own in settings.items():
        value = state[name].astype(np.float64)
        slots = {slot: state[f"{slot}.{name}"].astype(np.float64) for slot in optimizer.slots}
        number = float(state[f"{UPDATES}.{name}"]) if optimizer.counts else 0.0
        if name in active:
            number += 1
            value = changed(optimizer, value, scale * gradients[name], own.rate, own.decay, number, slots)
        after |= {name: value, **{f"{slot}.{name}": array for slot, array in slots.items()}}
        if optimizer.counts:
            after[f"{UPDATES}.{name}"] = np.array(number)
        if (averaged := f"{AVERAGE}.{name}") in state:
            after[averaged] = average = moved(state[averaged].astype(np.float64), value, now.average)
            if now.average and now.average.fold:
                after[name] = average
    return after


def moved(average: Array, value: Array, now: Averaging | None) -> Array:
    """The average of a weight after a step that left `value`; as it was if the step leaves the average alone."""
    return average + now.weight * (value - average) if now else average


def changed(
    optimizer: Optimizer, p: Array, g: Array, rate: float, decay: float, number: float, slots: Weights
) -> Array:
    """A parameter after its update `number` (from 1). `slots` is changed."""
    return HANDLERS[optimizer.kind](optimizer, p, g, rate, decay, number, slots)


def sgd(optimizer: SGD, p: Array, g: Array, rate: float, decay: float, number: float, slots: Weights) -> Array:
    return p - rate * heavy_ball(optimizer, g + decay * p, slots)


def adam(optimizer: Adam, p: Array, g: Array, rate: float, decay: float, number: float, slots: Weights) -> Array:
    return p - rate * adaptive(optimizer, g + decay * p, number, slots)


def adamw(optimizer: AdamW, p: Array, g: Array, rate: float, decay: float, number: float, slots: Weights) -> Array:
    return p - rate * decay * p - rate * adaptive(optimizer, g, number, slots)


def rmsprop(optimizer: RMSprop, p: Array, g: Array, rate: float, decay: float, number: float, slots: Weights) -> Array:
    g = g + decay * p
    slots["second_moment"] += (1 - optimizer.rho) * (g**2 - slots["second_moment"])
    slots["momentum"] *= optimizer.momentum
    slots["momentum"] += rate * g / np.sqrt(slots["second_moment"] + optimizer.epsilon)
    return p - slots["momentum"]


def muon(optimizer: Muon, p: Array, g: Array, rate: float, decay: float, number: float, slots: Weights) -> Array:
    if p.ndim != 4:
        return sgd(optimizer.sgd, p, g, rate, decay, number, slots)
    update = heavy_ball(optimizer, g, slots).reshape(len(p), -1)
    p = p * np.sqrt(len(p)) / max(np.sqrt((p**2).sum()), optimizer.epsilon) if optimizer.normalise else p
    return p - rate * decay * p - rate * orthogonal(optimizer, update).reshape(p.shape)


def heavy_ball(optimizer: SGD | Muon, g: Array, slots: Weights) -> Array:
    """The direction of SGD with momentum. Without momentum no slot is kept."""
    if optimizer.momentum == 0:
        return g
    slots["momentum"] *= optimizer.momentum
    slots["momentum"] += g
    return g + optimizer.momentum * slots["momentum"] if optimizer.nesterov else slots["momentum"]


def adaptive(optimizer: Adam | AdamW, g: Array, number: float, slots: Weights) -> Array:
    """The direction of Adam."""
    slots["first_moment"] += (1 - optimizer.beta1) * (g - slots["first_moment"])
    slots["second_moment"] += (1 - optimizer.beta2) * (g**2 - slots["second_moment"])
    mean = slots["first_moment"] / (1 - optimizer.beta1**number)
    root = np.sqrt(slots["second_moment"] / (1 - optimizer.beta2**number))
    return mean / (root + optimizer.epsilon)


def orthogonal(optimizer: Muon, matrix: Array) -> Array:
    """Newton-Schulz through the singular values: it is a polynomial of them, and leaves the vectors alone."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values = values / (np.sqrt((values**2).sum()) + optimizer.epsilon)
    one, two, three = optimizer.coefficients
    for _ in range(optimizer.iterations):
        values = one * values + two * values**3 + three * values**5
    return left * values @ right


HANDLERS: dict[str, Callable[..., Array]] = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
    "rmsprop": rmsprop,
    "muon": muon,
}
