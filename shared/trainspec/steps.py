"""The steps of a training: epochs, rates, the budget, validation, and the figures of all of them."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.stopping import check
from trainspec.data import Split
from trainspec.estimate import in_words
from trainspec.evaluation import Evaluation, evaluate
from trainspec.runs import Budget, EpochMetrics, Run, TrainingProgress
from trainspec.schedules import learning_rate
from trainspec.task import Task
from trainspec.trainer import Epoch, Trainer

WARM_UP = 5  # steps before the estimate begins to measure: the first ones compile
LONG = 30 * 60  # seconds from which on a training says how long it will take
TRIED = 32  # images that are evaluated before a training with a budget, to know what an evaluation costs
FIRST = 20  # steps whose losses are kept one by one, to compare two runs by
CHECK = 20  # steps between two looks at whether the loss is still a number: each makes a GPU wait


class Training:
    """The steps of a task, over as many epochs as recipe or budget have."""

    def __init__(self, task: Task, trainer: Trainer, run: Run, build_seconds: float = 0.0) -> None:
        self.task, self.trainer, self.run = task, trainer, run
        self.step = 0
        self.total_steps = task.recipe.epochs * task.steps_per_epoch
        self.first_losses: list[Any] = []
        self.seconds = 0.0
        self.progress = TrainingProgress(self.total_steps, task.steps_per_epoch)
        self.epoch: Epoch | None = None  # the one that is not over
        self.budget = budget_of(task, build_seconds)
        self.cut_short = False  # whether the budget was over before the schedule

    def train(self) -> None:
        """Every epoch, with a look at the validation split as often as the recipe says and after the last."""
        number = 0
        with self.progress:
            if self.budget:
                few = self.task.data.validation.take(np.arange(min(TRIED, len(self.task.data.validation))))
                self.budget.try_evaluation(lambda: self.evaluate(self.trainer.logits, few), len(few))
            while self.step < self.total_steps:
                self.epoch = Epoch(number, self.task, self.step, self.rate, self.step_done)
                self.trainer.train_epoch(self.epoch)
                number += 1
                last = self.step >= self.total_steps
                self.close(validate=last or number % self.task.recipe.evaluate_every == 0)

    def rate(self) -> float | None:
        """The rate of the next step; None where there is none."""
        check()
        if self.budget and (fitted := self.budget.fit(self.step)) is not None:
            self.cut_short = fitted == self.step < self.total_steps
            self.total_steps = fitted
        if self.step >= self.total_steps:
            return None
        return learning_rate(self.task.recipe.schedule, self.step, self.total_steps, self.task.steps_per_epoch)

    def step_done(self, epoch: Epoch, loss: Any) -> None:
        """Count a step and show it."""
        self.step = epoch.step
        if self.step <= FIRST:
            self.first_losses.append(loss)
        if self.step == WARM_UP:
            self._warm = time.monotonic()
        if self.step % CHECK == 0:
            mean_loss = epoch.mean_loss
            if self.step == FIRST and not self.budget:
                self._estimate((time.monotonic() - self._warm) / (FIRST - WARM_UP))
            if self.progress.due(self.step):
                images = CHECK * self.task.batch_size
                self.progress.update(
                    self.step, self.total_steps, images=images, loss=mean_loss, top1=epoch.top1, lr=epoch.lr
                )

    def _estimate(self, step_seconds: float) -> None:
        """Say how long a long training will take."""
        seconds = step_seconds * self.total_steps
        if seconds > LONG:
            self.progress.say(
                f"estimate   this training takes {in_words(seconds)} here; --budget 30m (or another time) "
                "fits its whole schedule into that time"
            )

    def close(self, *, validate: bool) -> None:
        """Keep the figures of the epoch, whole or broken off. A validation that is interrupted may be left out then."""
        epoch = self.epoch
        if epoch is None or not epoch.images:
            return
        loss = epoch.mean_loss  # makes the device finish
        seconds = epoch.end()
        validation = self.validate() if validate else None
        self.epoch = None
        self.seconds += seconds
        metrics = EpochMetrics(
            epoch=epoch.number + 1,
            step=self.step,
            lr=epoch.lr,
            train_loss=loss,
            train_top1=epoch.top1,
            val_loss=validation.loss if validation else None,
            val_top1=validation.top1 if validation else None,
            images_per_second=epoch.images / seconds,
            seconds=seconds,
            plan_digest=epoch.plan.digest,
        )
        self.run.facts["first_losses"] = [float(loss) for loss in self.first_losses]
        self.run.log(metrics)
        self.progress.epoch(metrics, self.total_steps)

    def validate(self) -> Evaluation:
        return self.timed(self.trainer.logits, self.task.data.validation)

    def timed(self, forward: Callable[[NDArray[np.float32]], NDArray[Any]], split: Split) -> Evaluation:
        """An evaluation that the budget knows of."""
        with self.budget.evaluating(len(split)) if self.budget else nullcontext():
            return self.evaluate(forward, split)

    def evaluate(self, forward: Callable[[NDArray[np.float32]], NDArray[Any]], split: Split) -> Evaluation:
        return evaluate(forward, split, self.task.constants)


def budget_of(task: Task, build_seconds: float) -> Budget | None:
    """The time that the steps are fitted into, where there is a limit to it."""
    if task.budget is None:
        return None
    return Budget(
        task.budget,
        task.batch_size,
        task.steps_per_epoch,
        task.recipe.evaluate_every,
        len(task.data.validation),
        len(task.data.test),
        build_seconds,
    )
