"""The training loop, the same for all frameworks, and the run's folder that it fills."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial

from diptych.files import write_bytes
from diptych.stopping import check
from trainspec.batches import Batches, Waits, batches_of, host_notes
from trainspec.judging import data_facts
from trainspec.optim import StepSettings, step_settings
from trainspec.outcome import finish, keep, memory_facts
from trainspec.pace import Pace
from trainspec.runs import Run
from trainspec.schedules import Place
from trainspec.state import TrainState
from trainspec.task import Asked, Task
from trainspec.trainer import Framework, Step, Trainer
from trainspec.watch import Watch


def train(task: Task, framework: Framework, asked: Asked) -> Run:
    """Train, evaluate and export.

    On Ctrl-C or another signal (`diptych.stopping`) it keeps the weights, metrics, curves and model.onnx so far, marks
    the run as interrupted, and raises the interrupt again. Before the first step there is nothing to keep, so the
    folder is removed.
    """
    begin = time.monotonic()
    device = framework.choose_device(task.recipe.precision, task.threads)
    trainer = framework.trainer(task.graph, task.weights, task.recipe, device)
    build_seconds = time.monotonic() - begin
    check()
    run = Run.start(
        task.recipe,
        architecture=task.architecture,
        framework=framework.name,
        data_name=task.data.name,
        data_label=task.data.label,
        command=asked.command,
        device=device.label,
        precision=device.precision,
        threads=device.threads,
        packages=framework.packages,
        notes=(*asked.notes, *device.notes, *host_notes(task)),
        out=asked.out,
        tensorboard=asked.tensorboard,
    )
    run.facts |= {"architecture": task.graph.name, "recipe": task.recipe_name}  # with its options, as +Mish
    run.facts |= data_facts(task.data, task.data_choice, task.constants, run.folder)
    run.facts |= task.warm_start.facts if task.warm_start else {}
    with run:
        write_bytes(run.folder / "graph.json", task.graph.to_json().encode())
        training = Training(task, trainer, run, Pace(task, build_seconds))
        training.watch.begin(device)
        try:
            training.train()
            run.facts |= memory_facts(device)  # now, since exporting takes memory too
            finish(training, framework)
        except KeyboardInterrupt:
            if not training.state.step:
                run.discard()
                training.watch.say("interrupted before the first step: nothing is kept")
                raise
            training.watch.say("interrupted: saving the training so far")
            keep(training, framework)
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
            state.record(step, task.batch_size)
            yield step, now


def steps_of(task: Task, trainer: Trainer) -> Iterator[tuple[Step, StepSettings, TrainState]]:
    """Train the whole schedule and do nothing else. Yields each step, with its settings and the position after it."""
    state, pace, batches = TrainState(), Pace(task), batches_of(task, trainer)
    while state.step < pace.total_steps:
        for step, now in steps_of_epoch(task, trainer, batches, state, pace):
            yield step, now, state
        state.end_epoch(0.0)


class Training:
    """A task in training. `state` is its position, `pace` its length, `watch` shows it to people.

    `waits` counts the time in which steps waited for data.
    """

    def __init__(self, task: Task, trainer: Trainer, run: Run, pace: Pace) -> None:
        self.task, self.trainer, self.run, self.pace = task, trainer, run, pace
        self.state = TrainState()
        self.watch = Watch(task, run, pace)
        self.waits = Waits()

    def train(self) -> None:
        """Train every epoch. Evaluate on the validation split as often as the recipe says, and after the last epoch."""
        task, state, pace = self.task, self.state, self.pace
        batches = batches_of(task, self.trainer, self.waits)
        pace.try_evaluation(self.trainer.logits)
        with self.watch.progress:
            while state.step < pace.total_steps:
                self.watch.begin_epoch(task.plan(state.epoch))
                for step, now in steps_of_epoch(task, self.trainer, batches, state, pace):
                    self.watch.step(state, step, now)
                last = state.step >= pace.total_steps
                self.end_epoch(validate=last or (state.epoch + 1) % task.recipe.evaluate_every == 0)

    def end_epoch(self, *, validate: bool) -> None:
        """Keep the figures of the epoch, whole or broken off. After an interrupted validation, call it without one."""
        if not self.state.images:
            return
        figures = self.watch.figures(self.state)
        if validate:
            validation = self.pace.evaluate(partial(self.trainer.logits, averaged=True), self.task.data.validation)
            figures = replace(figures, val_loss=validation.loss, val_top1=validation.top1)
            if self.task.recipe.average:
                own = self.pace.evaluate(self.trainer.logits, self.task.data.validation)
                figures = replace(figures, val_loss_unaveraged=own.loss, val_top1_unaveraged=own.top1)
        self.state.end_epoch(figures.seconds)
        self.run.log(figures)
        self.watch.show(figures)
