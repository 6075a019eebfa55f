"""One epoch of a training, as a framework's loop over its batches sees it."""

import math
import time
from collections.abc import Iterator
from typing import Any, Protocol

from netspec.errors import DiptychError
from trainspec.plan import BatchPlan, EpochPlan
from trainspec.task import Task


class TrainingError(DiptychError):
    """A training that cannot go on: its loss is no number any more."""


class Steps(Protocol):
    """What an epoch is a part of: it knows the rate of the next step, and is told of every one."""

    task: Task
    step: int

    def rate(self) -> float | None:
        """The rate of the next step; None where there is none."""

    def step_done(self, epoch: "Epoch", loss: Any) -> None:
        """Count a step."""


class Epoch:
    """One epoch as a trainer sees it: a rate for each step, a plan for each batch, and where the results go."""

    def __init__(self, number: int, training: Steps) -> None:
        self.number = number
        self.plan: EpochPlan = training.task.plan(number)
        self.training = training
        self.start = time.monotonic()
        self.lr = 0.0
        self.images = 0
        self.loss: Any = 0.0  # sums over images, left on the device until they are read
        self.correct: Any = 0.0

    @property
    def plans(self) -> Iterator[BatchPlan]:
        """The batches, in order."""
        return self.plan.batches(self.training.task.batch_size, drop_last=True)

    def rates(self) -> Iterator[float]:
        """The learning rate of each step, to the end of the epoch or of the schedule."""
        for _ in range(self.training.task.steps_per_epoch):
            rate = self.training.rate()
            if rate is None:
                return
            self.lr = rate
            yield rate

    def record(self, loss: Any, correct: Any, images: int) -> None:
        """A step is done: its mean loss and its number of right answers, as numbers or scalars on the device.

        Raises `TrainingError` once the loss is not finite, a few steps late.
        """
        self.images += images
        self.loss = self.loss + loss * images
        self.correct = self.correct + correct
        self.training.step_done(self, loss)

    @property
    def mean_loss(self) -> float:
        """Raises `TrainingError` when it is not finite."""
        loss = float(self.loss) / max(self.images, 1)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is not finite any more at step {self.training.step} (epoch {self.number + 1}, "
                f"rate {self.lr:.3g}); try a lower rate: --set schedule.peak=..."
            )
        return loss

    @property
    def top1(self) -> float:
        return 100 * float(self.correct) / max(self.images, 1)
