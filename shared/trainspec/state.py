"""The position of a training, and the names in a trainer's state."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from netspec.init import Weights
from trainspec.trainer import LOWER_RATE, Step, TrainingError

AVERAGE, LOSS_SCALE = "average", "loss_scale"
FIRST_SCALE = 2.0**16  # of a loss in float16; PyTorch and Keras would begin with different ones


@dataclass
class TrainState:
    """The position, and the sums of the current epoch.

    `epoch` counts from 0. `step` is the number of steps done in the whole training, `step_in_epoch` in this epoch.
    `images`, `loss` (times images) and `correct` are sums over the epoch; they stay on the device until they are read.
    `seconds` is the training time of the finished epochs, `seconds_in_epoch` that of this one until its checkpoint
    or the end of the training.
    `wait_seconds` is the part of the training time in which steps waited for data. `rate` is the learning rate of the
    last step.
    """

    epoch: int = 0
    step: int = 0
    step_in_epoch: int = 0
    images: int = 0
    loss: Any = 0.0
    correct: Any = 0
    seconds: float = 0.0
    seconds_in_epoch: float = 0.0
    wait_seconds: float = 0.0
    rate: float = 0.0

    def record(self, step: Step, images: int, rate: float) -> None:
        """Add a finished step over `images` images with the learning rate `rate`."""
        self.step += 1
        self.step_in_epoch += 1
        self.images += images
        self.loss = self.loss + step.loss * images
        self.correct = self.correct + step.correct
        self.rate = rate

    @property
    def all_seconds(self) -> float:
        """The training time so far."""
        return self.seconds + self.seconds_in_epoch

    def end_epoch(self, seconds: float, steps: int) -> None:
        """Begin the next epoch if this one has had its `steps`; it took `seconds` of training. If not, it goes on."""
        self.seconds_in_epoch = seconds
        if self.step_in_epoch < steps:
            return
        self.epoch += 1
        self.step_in_epoch = self.images = self.correct = 0
        self.loss = self.seconds_in_epoch = 0.0
        self.seconds += seconds

    def check(self, losses: Sequence[Any]) -> None:
        """Raise `TrainingError` where one of the last steps' losses is NaN or infinite. It waits for the device."""
        for step, loss in enumerate(losses, self.step + 1 - len(losses)):
            if not math.isfinite(float(loss)):
                raise TrainingError(
                    f"the loss became NaN or infinite in step {step} (epoch {self.epoch + 1}, rate {self.rate:.3g}); "
                    f"{LOWER_RATE}"
                )

    @property
    def mean_loss(self) -> float:
        """The mean loss of the epoch so far. Reading it waits for the device."""
        return float(self.loss) / max(self.images, 1)

    @property
    def top1(self) -> float:
        """Top-1 accuracy of the epoch so far, in percent."""
        return 100 * float(self.correct) / max(self.images, 1)

    def to_json(self) -> dict[str, int | float]:
        """The state as plain numbers. Reading the sums waits for the device."""
        sums = {"loss": float(self.loss), "correct": int(self.correct)}
        return {one.name: getattr(self, one.name) for one in fields(self)} | sums  # asdict would copy tensors

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The state from the values of `to_json`."""
        return cls(**values)


def joined(
    weights: Weights, slots: Iterable[tuple[str, NDArray[Any]]], averaged: Weights, loss_scale: Weights
) -> Weights:
    """A trainer's state: the weights and statistics, the optimizer's `<slot>.<parameter>`, `average.<tensor>`, and
    `loss_scale.<value>`: `scale`, and `steps` since it last changed."""
    averages = {f"{AVERAGE}.{name}": tensor for name, tensor in averaged.items()}
    scales = {f"{LOSS_SCALE}.{name}": value for name, value in loss_scale.items()}
    return {**weights, **dict(slots), **averages, **scales}


def average_in(state: Weights, names: Iterable[str]) -> Weights:
    """The average of these tensors in a trainer's state."""
    return {name: state[f"{AVERAGE}.{name}"] for name in names}


def scale_in(state: Weights) -> tuple[float, int]:
    """The scale of the loss in a trainer's state, and the number of steps since it last changed."""
    return float(state[f"{LOSS_SCALE}.scale"]), int(state[f"{LOSS_SCALE}.steps"])


def without_scale(state: Weights) -> Weights:
    """A trainer's state without the scale of the loss."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(f"{LOSS_SCALE}.")}


def scale_of(scale: float, steps: int) -> Weights:
    """The scale of the loss as `joined` takes it."""
    return {"scale": np.array(scale, np.float64), "steps": np.array(steps, np.int64)}
