"""The position of a training, and the names in a trainer's state."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from numpy.typing import NDArray

from netspec.init import Weights
from trainspec.optim import StepSettings
from trainspec.trainer import Step, TrainingError

AVERAGE = "average"


@dataclass
class TrainState:
    """The position, and the sums of the current epoch.

    `epoch` counts from 0. `step` is the number of steps done in the whole training, `step_in_epoch` in this epoch.
    `images`, `loss` (times images) and `correct` are sums over the epoch; they stay on the device until they are read.
    `seconds` is the training time of the finished epochs.
    """

    epoch: int = 0
    step: int = 0
    step_in_epoch: int = 0
    images: int = 0
    loss: Any = 0.0
    correct: Any = 0
    seconds: float = 0.0

    def record(self, step: Step, images: int) -> None:
        """Add a finished step over `images` images."""
        self.step += 1
        self.step_in_epoch += 1
        self.images += images
        self.loss = self.loss + step.loss * images
        self.correct = self.correct + step.correct

    def end_epoch(self, seconds: float) -> None:
        """Begin the next epoch. The last one took `seconds` of training."""
        self.epoch += 1
        self.step_in_epoch = self.images = self.correct = 0
        self.loss = 0.0
        self.seconds += seconds

    def mean_loss(self, now: StepSettings) -> float:
        """The mean loss of the epoch so far. It waits for the device. `now`, the last step's settings, is for messages.

        Raises `TrainingError` where the loss is NaN or infinite.
        """
        loss = float(self.loss) / max(self.images, 1)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss became NaN or infinite by step {self.step} (epoch {self.epoch + 1}, rate {now.rate:.3g}); "
                "try a lower rate: --set schedule.peak=..."
            )
        return loss

    @property
    def top1(self) -> float:
        """Top-1 accuracy of the epoch so far, in percent."""
        return 100 * float(self.correct) / max(self.images, 1)

    def to_json(self) -> dict[str, int | float]:
        """The state as plain numbers. Reading the sums waits for the device."""
        return asdict(self) | {"loss": float(self.loss), "correct": float(self.correct)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The state from the values of `to_json`."""
        return cls(**values)


def joined(weights: Weights, slots: Iterable[tuple[str, NDArray[Any]]], averaged: Weights) -> Weights:
    """A trainer's state: the weights and statistics, the optimizer's `<slot>.<parameter>`, `average.<tensor>`."""
    return {**weights, **dict(slots), **{f"{AVERAGE}.{name}": tensor for name, tensor in averaged.items()}}


def average_in(state: Weights, names: Iterable[str]) -> Weights:
    """The average of these tensors in a trainer's state."""
    return {name: state[f"{AVERAGE}.{name}"] for name in names}
