"""Where a training is."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from trainspec.optim import StepSettings
from trainspec.trainer import Step, TrainingError


@dataclass
class TrainState:
    """The position, and the sums of the epoch that is not over.

    `epoch`, from 0; `step`, the steps done in the whole training, and `step_in_epoch`. `images`, `loss` (times images)
    and `correct` are sums over the epoch; a trainer's sums stay on its device until they are read. `seconds`: of
    training, in the epochs that are over.
    """

    epoch: int = 0
    step: int = 0
    step_in_epoch: int = 0
    images: int = 0
    loss: Any = 0.0
    correct: Any = 0
    seconds: float = 0.0

    def record(self, step: Step, images: int) -> None:
        """A step over `images` images is done."""
        self.step += 1
        self.step_in_epoch += 1
        self.images += images
        self.loss = self.loss + step.loss * images
        self.correct = self.correct + step.correct

    def end_epoch(self, seconds: float) -> None:
        """The epoch is over; it took `seconds` of training."""
        self.epoch += 1
        self.step_in_epoch = self.images = self.correct = 0
        self.loss = 0.0
        self.seconds += seconds

    def mean_loss(self, now: StepSettings) -> float:
        """Of the epoch so far, after a step with these settings. Reading it makes the device finish.

        Raises `TrainingError` where it is NaN or infinite.
        """
        loss = float(self.loss) / max(self.images, 1)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is not finite any more at step {self.step} (epoch {self.epoch + 1}, rate {now.rate:.3g}); "
                "try a lower rate: --set schedule.peak=..."
            )
        return loss

    @property
    def top1(self) -> float:
        """Percent of the epoch's images so far."""
        return 100 * float(self.correct) / max(self.images, 1)

    def to_json(self) -> dict[str, int | float]:
        """Plain numbers."""
        return asdict(self) | {"loss": float(self.loss), "correct": float(self.correct)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(**values)
