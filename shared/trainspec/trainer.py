"""What a framework brings to a training, a `Trainer`, and what it is given, an `Epoch`.

The loop over the batches of an epoch is the framework's own (`<framework>_impl/train.py`).
"""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from netspec.compare import Difference
from netspec.errors import DiptychError
from netspec.init import Weights
from trainspec.plan import BatchPlan, EpochPlan
from trainspec.task import Task

Rate = Callable[[], float | None]  # of the next step; None where there is none
Done = Callable[["Epoch", Any], None]  # called after each step, with its loss


class TrainingError(DiptychError):
    """A training that cannot go on: its loss is no number any more."""


class Deployed(Protocol):
    """A trained network in float32, as it will be used."""

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """`(N, classes)` for normalised images `(N, H, W, C)`."""

    def export(self, path: Path, metadata: dict[str, str]) -> Difference:
        """Write the ONNX builder's model, verified against the framework."""

    def export_natively(self, path: Path, metadata: dict[str, str]) -> Difference:
        """Write what the framework's own exporter makes, verified likewise."""


class Trainer(Protocol):
    """A network in training. `device` and `precision` are for people; `packages` are those whose versions count.

    `threads` are those of the CPU, on whose number the bits of a result depend.
    """

    framework: str
    packages: tuple[str, ...]
    device: str
    precision: str
    threads: int
    notes: tuple[str, ...]

    def train_epoch(self, epoch: "Epoch") -> None:
        """A step for each of `epoch.rates()`, on the batches of `epoch.plans`, handed to `epoch.record`."""

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """As `Deployed.logits`, in the precision of the training."""

    def weights(self) -> Weights:
        """Every tensor by canonical name."""

    def deploy(self, weights: Weights) -> Deployed:
        """A float32 copy of the network with these weights."""


class Epoch:
    """One epoch as a trainer sees it: a rate for each step, a plan for each batch, and where the results go."""

    def __init__(self, number: int, task: Task, step: int, rate: Rate, done: Done) -> None:
        self.number, self.task = number, task
        self.plan: EpochPlan = task.plan(number)
        self.step = step  # done so far, in the whole training
        self.next_rate, self.done = rate, done
        self.start = time.monotonic()
        self.seconds: float | None = None
        self.lr = 0.0
        self.images = 0
        self.loss: Any = 0.0  # sums over images, left on the device until they are read
        self.correct: Any = 0.0

    @property
    def plans(self) -> Iterator[BatchPlan]:
        """The batches, in order."""
        return self.plan.batches(self.task.batch_size, drop_last=True)

    def rates(self) -> Iterator[float]:
        """The learning rate of each step, to the end of the epoch or of the schedule."""
        for _ in range(self.task.steps_per_epoch):
            rate = self.next_rate()
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
        self.step += 1
        self.done(self, loss)

    def end(self) -> float:
        """Seconds of training in this epoch, from its beginning to the first call."""
        if self.seconds is None:
            self.seconds = time.monotonic() - self.start
        return self.seconds

    @property
    def mean_loss(self) -> float:
        """Raises `TrainingError` when it is not finite."""
        loss = float(self.loss) / max(self.images, 1)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is not finite any more at step {self.step} (epoch {self.number + 1}, "
                f"rate {self.lr:.3g}); try a lower rate: --set schedule.peak=..."
            )
        return loss

    @property
    def top1(self) -> float:
        return 100 * float(self.correct) / max(self.images, 1)
