"""The training loop, the same for all frameworks, and the run's folder that it fills."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial

from deploy.files import write_bytes
from diptych.errors import DiptychError, StorageError
from diptych.stopping import check
from trainspec.batches import Batches, batches_of
from trainspec.beginning import open_run
from trainspec.checkpoints.keeper import keeper_of
from trainspec.checkpoints.snapshot import restore, write_snapshot
from trainspec.optim import StepSettings, step_settings
from trainspec.outcome import finish, interrupted, memory_facts
from trainspec.pace import Pace
from trainspec.runs import EpochMetrics, Run
from trainspec.schedules import Place
from trainspec.state import TrainState
from trainspec.task import Asked, Task
from trainspec.trainer import Framework, Step, Trainer
from trainspec.watch import Watch


def train(task: Task, framework: Framework, asked: Asked) -> Run:
    """Train, evaluate and export; or go on with the run that `asked` names.

    On Ctrl-C or another signal (`diptych.stopping`) it keeps what there is (`outcome.interrupted`), marks the run as
    interrupted, and raises the interrupt again.
    """
    begin = time.monotonic()
    device = framework.choose_device(task.precision or task.recipe.precision, task.threads).repeating(
        task.deterministic
    )
    trainer = framework.trainer(task.graph, task.weights, task.recipe, device)
    build_seconds = time.monotonic() - begin
    check()
    with open_run(task, framework, device, asked) as run:
        asked.opened(run)
        if asked.resumption is None:
            write_bytes(run.folder / "graph.json", task.graph.to_json().encode())
            run.save()  # with all that a killed run needs to go on
        training = Training(task, trainer, run, Pace(task, build_seconds))
        if asked.resumption and asked.resumption.checkpoint:
            restore(training, asked.resumption.checkpoint)
        training.watch.begin(device)
        try:
            training.train()
            run.facts |= memory_facts(device)  # now, since exporting takes memory too
            finish(training, framework)
        except DiptychError as error:
            raise type(error)(f"{error}{training.keeper.advice}") from None
        except KeyboardInterrupt as stop:
            interrupted(training, framework, stop, resumed=asked.resumption is not None)
            raise
    return run


def steps_of_epoch(
    task: Task, trainer: Trainer, batches: Batches, state: TrainState, pace: Pace
) -> Iterator[tuple[Step, StepSettings]]:
    """Train the rest of the epoch that `state` is in. Yields each step, after it is done, with its settings."""
    plans = task.plan(state.epoch).batches(task.batch_size, drop_last=True, skip=state.step_in_epoch)
    with closing(batches(plans)) as made:
        for batch in made:
            check()
            if pace.is_over(state.step):
                return
            now = step_settings(task.recipe, task.groups, Place(state.step, pace.total_steps, task.steps_per_epoch))
            step = trainer.step(batch, now)
            state.record(step, task.batch_size, now.rate)
            yield step, now


def steps_of(
    task: Task, trainer: Trainer, state: TrainState | None = None
) -> Iterator[tuple[Step, StepSettings, TrainState]]:
    """Train the schedule from `state` on, and do nothing else. Yields each step, with its settings and the position
    after it."""
    state, pace, batches = state or TrainState(), Pace(task), batches_of(task, trainer)
    while state.step < pace.total_steps:
        for step, now in steps_of_epoch(task, trainer, batches, state, pace):
            yield step, now, state
        state.end_epoch(0.0, task.steps_per_epoch)


class Training:
    """A task in training. `state` is its position, `pace` its length, `watch` shows it, `keeper` keeps checkpoints."""

    def __init__(self, task: Task, trainer: Trainer, run: Run, pace: Pace) -> None:
        self.task, self.trainer, self.run, self.pace = task, trainer, run, pace
        self.state = TrainState()
        self.watch = Watch(task, run, pace)
        self.keeper = keeper_of(task, run)
        self.exported = False  # whether the folder has the model of these weights

    def train(self) -> None:
        """Train every epoch. Evaluate on the validation split as often as the recipe says, and after the last epoch."""
        task, state, pace = self.task, self.state, self.pace
        batches = batches_of(task, self.trainer, state)
        pace.try_evaluation(self.trainer.logits)
        with self.watch.progress:
            while state.step < pace.total_steps or state.step > self.run.steps:
                self.watch.begin_epoch(state, task.plan(state.epoch))
                for step, _ in steps_of_epoch(task, self.trainer, batches, state, pace):
                    self.watch.step(state, step)
                    self.run.begin()
                    self.checkpoint(due=self.keeper.is_due(state))
                last = state.step >= pace.total_steps
                self.end_epoch(validate=last or (state.epoch + 1) % task.recipe.evaluate_every == 0)
                self.checkpoint(due=self.keeper.is_due(state, self.top1, last=last))
            if self.run.metrics and self.top1 is None:  # all steps were done before, but not validated
                self.run.log(self.validated(self.run.metrics[-1]))
                self.checkpoint(due=self.keeper.is_due(state, self.top1, last=True))
        self.run.begin()  # also where all steps were done before

    @property
    def top1(self) -> float | None:
        """The accuracy of the weights as they are, in percent of the held-out images; None if it was not measured."""
        epochs = self.run.metrics
        return epochs[-1].val_top1 if epochs and epochs[-1].step == self.state.step else None

    def end_epoch(self, *, validate: bool) -> None:
        """Keep the figures of the epoch, whole or in part. After an interrupted validation, call it without one.

        A training that goes on later trains the rest of an epoch first. The figures of the whole replace the others.
        """
        if self.run.steps == self.state.step:
            return
        figures = self.watch.figures(self.state)
        if validate:
            figures = self.validated(figures)
        self.state.end_epoch(figures.seconds, self.task.steps_per_epoch)
        self.run.log(figures)
        self.watch.show(figures)

    def validated(self, figures: EpochMetrics) -> EpochMetrics:
        """The figures with those of the weights as they are, on the held-out images."""
        images = self.task.data.validation
        validation = self.pace.evaluate(partial(self.trainer.logits, averaged=True), images)
        figures = replace(figures, val_loss=validation.loss, val_top1=validation.top1)
        if self.task.recipe.average:
            own = self.pace.evaluate(self.trainer.logits, images)
            figures = replace(figures, val_loss_unaveraged=own.loss, val_top1_unaveraged=own.top1)
        return figures

    def checkpoint(self, *, due: bool) -> None:
        """Write a checkpoint if it is `due`. Without room the training goes on, until a second one in a row fails."""
        try:
            if due:
                write_snapshot(self)
        except StorageError as error:
            if self.keeper.refused > 1:
                raise
            self.watch.say(f"no checkpoint of step {self.state.step}, the training goes on: {error}")
