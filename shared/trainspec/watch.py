"""Show a running training to people, check that its loss is finite, and keep its first losses."""

import time
from typing import Any

from trainspec.estimate import in_words
from trainspec.optim import StepSettings
from trainspec.pace import Pace
from trainspec.plan import EpochPlan
from trainspec.runs import EpochMetrics, Run, TrainingProgress
from trainspec.state import TrainState
from trainspec.task import Task
from trainspec.trainer import Device, Step

WARM_UP = 5  # steps before the estimate begins to measure: the first steps compile
LONG = 30 * 60  # seconds; a longer training says how long it will take
FIRST = 20  # first steps: each one's loss is kept, to compare two runs
CHECK = 20  # steps between two checks that the loss is finite: each check makes a GPU wait


class Watch:
    """Follows a training: the loop calls it for every epoch and step. The context manager `progress` is the display."""

    def __init__(self, task: Task, run: Run, pace: Pace) -> None:
        self.task, self.run, self.pace = task, run, pace
        self.progress = TrainingProgress(pace.total_steps, task.steps_per_epoch)
        self.say = self.progress.say
        self.first_losses: list[Any] = []

    def begin(self, device: Device) -> None:
        """Print what is trained, on what, and where the run is kept."""
        for title, text in (
            ("network", f"{self.task.graph.name}, {self.task.graph.num_trainable:,} parameters"),
            ("device", device.label),
            ("precision", device.precision),
            ("recipe", f"{self.task.recipe_name}, saved as {self.run.folder / 'recipe.toml'}"),
            ("augmented", f"{self.task.recipe.augmentation}"),
            ("run", f"{self.run.folder}"),
        ):
            self.say(f"{title:<10} {text}")

    def begin_epoch(self, plan: EpochPlan) -> None:
        """Call it when an epoch begins."""
        self._plan = plan
        self._start = time.monotonic()
        self._seconds: float | None = None

    def step(self, state: TrainState, step: Step, now: StepSettings) -> None:
        """Call it after a step. Raises `TrainingError` when the loss is not finite, at most `CHECK` steps late."""
        self._now = now
        if state.step <= FIRST:
            self.first_losses.append(step.loss)
        if state.step == WARM_UP:
            self._warm = time.monotonic()
        if state.step % CHECK == 0:
            loss = state.mean_loss(now)
            if state.step == FIRST and not self.pace.budget:
                self._estimate((time.monotonic() - self._warm) / (FIRST - WARM_UP))
            if self.progress.due(state.step):
                images = CHECK * self.task.batch_size
                total = self.pace.total_steps
                self.progress.update(state.step, total, images=images, loss=loss, top1=state.top1, lr=now.rate)

    def figures(self, state: TrainState) -> EpochMetrics:
        """The figures of the epoch; its time ends with the first call. Raises `TrainingError` as `step` does."""
        loss = state.mean_loss(self._now)  # makes the device finish
        if self._seconds is None:
            self._seconds = time.monotonic() - self._start
        self.run.facts["first_losses"] = [float(loss) for loss in self.first_losses]
        return EpochMetrics(
            epoch=state.epoch + 1,
            step=state.step,
            lr=self._now.rate,
            train_loss=loss,
            train_top1=state.top1,
            val_loss=None,
            val_top1=None,
            images_per_second=state.images / self._seconds,
            seconds=self._seconds,
            plan_digest=self._plan.digest,
        )

    def show(self, figures: EpochMetrics) -> None:
        """Print the figures of an epoch."""
        self.progress.epoch(figures, self.pace.total_steps)

    def _estimate(self, step_seconds: float) -> None:
        """Say how long a long training will take."""
        seconds = step_seconds * self.pace.total_steps
        if seconds > LONG:
            self.say(
                f"estimate   this training takes {in_words(seconds)} here; --budget 30m (or another time) "
                "fits its whole schedule into that time"
            )
