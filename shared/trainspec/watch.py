"""Show a running training to people, check that its loss is finite, and keep its first losses."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from trainspec.estimate import in_words
from trainspec.pace import Pace
from trainspec.plan import EpochPlan
from trainspec.runs import EpochMetrics, Run, TrainingProgress
from trainspec.runs.progress import EVERY
from trainspec.state import TrainState
from trainspec.task import Task
from trainspec.trainer import Device, Step

WARM_UP = 5  # steps before the estimate begins to measure: the first steps compile
LONG = 30 * 60  # seconds; a longer training says how long it will take
FIRST = 20  # first steps: each one's loss is kept, to compare two runs
CHECK = EVERY  # steps between two checks of the loss on a GPU: they make it wait, as the display does


class Watch:
    """Follows a training: the loop calls it for every epoch and step. The context manager `progress` is the display."""

    def __init__(self, task: Task, run: Run, pace: Pace) -> None:
        self.task, self.run, self.pace = task, run, pace
        self.progress = TrainingProgress(pace.total_steps, task.steps_per_epoch)
        self.say = self.progress.say
        self.first_losses: list[Any] = []
        self._unchecked: list[Any] = []  # losses
        self._first = 0  # the step that this process begins with

    def go_on(self, step: int, first_losses: Sequence[float]) -> None:
        """Follow a training from step `step` on. `first_losses` are those of the steps before."""
        self._first, self.first_losses = step, [*first_losses]

    def begin(self, device: Device) -> None:
        """Print what is trained, on what, and where the run is kept."""
        self._most_unchecked = CHECK if device.on_gpu else 1
        for title, text in (
            ("network", f"{self.task.graph.name}, {self.task.graph.num_trainable:,} parameters"),
            ("device", device.label),
            ("precision", device.precision),
            ("recipe", f"{self.task.recipe_name}, saved as {self.run.folder / 'recipe.toml'}"),
            ("augmented", f"{self.task.recipe.augmentation}"),
            ("run", f"{self.run.folder}"),
        ):
            self.say(f"{title:<10} {text}")

    def begin_epoch(self, state: TrainState, plan: EpochPlan) -> None:
        """Call it when an epoch begins, or goes on in this process."""
        self._plan = plan
        self._start = time.monotonic() - state.seconds_in_epoch
        self._seconds: float | None = None

    def step(self, state: TrainState, step: Step) -> None:
        """Call it after a step. Raises `TrainingError` when its loss is not finite; on a GPU some steps late."""
        self._unchecked.append(step.loss)
        if state.step <= FIRST:
            self.first_losses.append(step.loss)
        if len(self._unchecked) == self._most_unchecked:
            self.check(state)
        if state.step - self._first == WARM_UP:
            self._warm = time.monotonic()
        if state.step - self._first == FIRST and not self.pace.budget:
            self.check(state)  # makes the device finish
            self._estimate((time.monotonic() - self._warm) / (FIRST - WARM_UP))
        if self.progress.due(state.step):
            total, speed = self.pace.total_steps, state.images / (time.monotonic() - self._start)
            self.progress.update(state.step, total, speed=speed, loss=state.mean_loss, top1=state.top1, lr=state.rate)

    def check(self, state: TrainState) -> None:
        """Raise `TrainingError` where a loss is not finite that was not checked yet. It waits for the device."""
        losses, self._unchecked = self._unchecked, []
        state.check(losses)

    @contextmanager
    def pausing(self, state: TrainState) -> Iterator[None]:
        """Work that is no training. `state` gets the epoch's time until now."""
        self.check(state)
        begin = time.monotonic()
        state.seconds_in_epoch = (
            (begin - self._start if self._seconds is None else self._seconds) if state.images else 0.0
        )
        try:
            yield
        finally:
            self._start += time.monotonic() - begin

    def figures(self, state: TrainState) -> EpochMetrics:
        """The figures of the epoch; its time ends with the first call. Raises `TrainingError` as `step` does."""
        self.check(state)
        loss = state.mean_loss
        if self._seconds is None:
            self._seconds = time.monotonic() - self._start
        self.run.facts["first_losses"] = [float(loss) for loss in self.first_losses]
        return EpochMetrics(
            epoch=state.epoch + 1,
            step=state.step,
            lr=state.rate,
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
        """Say how long a long training will take, from the first step of this process on."""
        seconds = step_seconds * (self.pace.total_steps - self._first)
        if seconds > LONG:
            self.say(
                f"estimate   this training takes {in_words(seconds)} here; --budget 30m (or another time) "
                "fits its whole schedule into that time"
            )
