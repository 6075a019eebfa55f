"""A training, whichever framework computes it: epochs, validation, budget, and what is kept in the end.

A framework brings a `Trainer`; the loop over the batches of an epoch is its own (`<framework>_impl/train.py`).
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from netspec import save_weights
from netspec.compare import Difference
from netspec.errors import DiptychError
from netspec.init import Weights
from trainspec.atomic import make_folder, write_bytes
from trainspec.epoch import Epoch
from trainspec.evaluation import evaluate, save_predictions
from trainspec.runs import Budget, EpochMetrics, Run, TrainingProgress
from trainspec.schedules import learning_rate
from trainspec.task import Task

FIRST = 20  # steps whose losses are kept one by one, to compare two runs by
CHECK = 20  # steps between two looks at whether the loss is still a number: each makes a GPU wait


class Deployed(Protocol):
    """A trained network in float32, as it will be used."""

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """`(N, classes)` for normalised images `(N, H, W, C)`."""

    def export(self, path: Path, metadata: dict[str, str]) -> Difference:
        """Write the ONNX builder's model, verified against the framework."""

    def export_natively(self, path: Path, metadata: dict[str, str]) -> Difference:
        """Write what the framework's own exporter makes, verified likewise."""


class Trainer(Protocol):
    """A network in training. `device` and `precision` are for people; `packages` are those whose versions count."""

    framework: str
    packages: tuple[str, ...]
    device: str
    precision: str
    notes: tuple[str, ...]

    def train_epoch(self, epoch: Epoch) -> None:
        """A step for each of `epoch.rates()`, on the batches of `epoch.plans`, handed to `epoch.record`."""

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """As `Deployed.logits`, in the precision of the training."""

    def weights(self) -> Weights:
        """Every tensor by canonical name."""

    def deploy(self, weights: Weights) -> Deployed:
        """A float32 copy of the network with these weights."""


class Training:
    """The steps of a task, over as many epochs as recipe or budget have."""

    def __init__(self, task: Task, trainer: Trainer, run: Run) -> None:
        self.task, self.trainer, self.run = task, trainer, run
        self.step = 0
        self.total_steps = task.recipe.epochs * task.steps_per_epoch
        self.first_losses: list[Any] = []
        self.seconds = 0.0
        self.progress = TrainingProgress(self.total_steps, task.steps_per_epoch)
        self.epoch: Epoch | None = None  # the one that is not over
        self.budget = task.budget and Budget(
            task.budget,
            task.batch_size,
            task.steps_per_epoch,
            task.recipe.evaluate_every,
            len(task.data.validation),
            len(task.data.test),
        )

    def train(self) -> None:
        """Every epoch, with a look at the validation split as often as the recipe says and after the last."""
        number = 0
        with self.progress:
            while self.step < self.total_steps:
                self.epoch = Epoch(number, self)
                self.trainer.train_epoch(self.epoch)
                number += 1
                last = self.step >= self.total_steps
                self.close(validate=last or number % self.task.recipe.evaluate_every == 0)

    def rate(self) -> float | None:
        """The rate of the next step; None where there is none."""
        if self.budget and self.budget.due(self.step):
            self.total_steps = self.budget.total_steps(self.step)
        if self.step >= self.total_steps:
            return None
        return learning_rate(self.task.recipe.schedule, self.step, self.total_steps, self.task.steps_per_epoch)

    def step_done(self, epoch: Epoch, loss: Any) -> None:
        """Count a step and show it."""
        self.step += 1
        if self.step <= FIRST:
            self.first_losses.append(loss)
        if self.step % CHECK == 0:
            mean_loss = epoch.mean_loss
            if self.progress.due(self.step):
                images = CHECK * self.task.batch_size
                self.progress.update(
                    self.step, self.total_steps, images=images, loss=mean_loss, top1=epoch.top1, lr=epoch.lr
                )

    def close(self, *, validate: bool) -> None:
        """Keep the figures of the epoch, whole or broken off."""
        epoch, self.epoch = self.epoch, None
        if epoch is None or not epoch.images:
            return
        loss = epoch.mean_loss  # makes the device finish
        seconds = time.monotonic() - epoch.start
        self.seconds += seconds
        validation = self.validate() if validate else None
        metrics = EpochMetrics(
            epoch=epoch.number + 1,
            step=self.step,
            lr=epoch.lr,
            train_loss=loss,
            train_top1=epoch.top1,
            val_loss=validation and validation.loss,
            val_top1=validation and validation.top1,
            images_per_second=epoch.images / seconds,
            seconds=seconds,
            plan_digest=epoch.plan.digest,
        )
        self.run.facts["first_losses"] = [float(loss) for loss in self.first_losses]
        self.run.log(metrics)
        self.progress.epoch(metrics, self.total_steps)

    def validate(self) -> Any:
        return self.timed(self.trainer.logits, self.task.data.validation)

    def timed(self, forward: Callable[[NDArray[np.float32]], NDArray[Any]], split: Any) -> Any:
        """An evaluation that the budget knows of."""
        if not self.budget:
            return evaluate(forward, split, self.task.constants)
        with self.budget.evaluating(len(split)):
            return evaluate(forward, split, self.task.constants)


def train(task: Task, make: Callable[[Task], Trainer]) -> Path:
    """Train, evaluate and export; returns the run's folder.

    Ctrl-C keeps what there is (weights, metrics, curves, model.onnx) and then ends as Ctrl-C does.
    """
    trainer = make(task)
    run = Run.start(
        task.recipe,
        architecture=task.architecture,
        framework=trainer.framework,
        data_name=task.data.name,
        data_label=task.data.label,
        command=task.command,
        device=trainer.device,
        precision=trainer.precision,
        packages=trainer.packages,
        notes=(*task.notes, *trainer.notes),
        out=task.out,
    )
    run.facts["data_choice"] = task.data_choice
    with run:
        write_bytes(run.folder / "graph.json", task.graph.to_json().encode())
        training = Training(task, trainer, run)
        say = training.progress.say
        for title, text in (
            ("network", f"{task.graph.name}, {task.graph.num_trainable:,} parameters"),
            ("device", trainer.device),
            ("precision", trainer.precision),
            ("recipe", f"{run.folder / 'recipe.toml'}"),
            ("run", f"{run.folder}"),
        ):
            say(f"{title:<10} {text}")
        try:
            training.train()
            _finish(training)
        except KeyboardInterrupt:
            say("interrupted: keeping what there is")
            _keep(training)
            raise
    return run.folder


def _finish(training: Training) -> None:
    """Weights, the one look at the test split, the models."""
    task, run, say = training.task, training.run, training.progress.say
    weights, deployed = _save(training)
    test = training.timed(deployed.logits, task.data.test)
    save_predictions(test, run.folder / f"predictions-{training.trainer.framework}.npy")
    images = training.step * task.batch_size
    figures = {
        "test_top1": round(test.top1, 3),
        "test_loss": test.loss,
        "test_images": len(task.data.test),
        "images_per_second": round(images / training.seconds, 1),
        "train_seconds": round(training.seconds, 2),
        "epochs": len(run.metrics),
        "steps": training.step,
    }
    if training.budget:
        figures["budget_seconds"] = training.budget.seconds
        figures["budget_used_seconds"] = round(training.budget.elapsed, 2)
    run.facts |= figures  # kept even where an export fails
    run.save()
    say(f"test       {test}")
    metadata = task.metadata(weights)
    differences = {"model.onnx": deployed.export(run.folder / "model.onnx", metadata)}
    proof = f"proof/{training.trainer.framework}.onnx"
    make_folder(run.folder / "proof")
    differences[proof] = deployed.export_natively(run.folder / proof, metadata)
    for name, difference in differences.items():
        say(f"{name}: differs from {training.trainer.framework} by {difference}")
    run.finish(exports={name: difference.value for name, difference in differences.items()})
    say(f"done       {run.folder}: {images / training.seconds:,.0f} images/s, {training.seconds:.1f} s of training")


def _keep(training: Training) -> None:
    """What an interrupted training can still give: no look at the test split, no native export."""
    say = training.progress.say
    try:
        training.close(validate=False)
        weights, deployed = _save(training)
        deployed.export(training.run.folder / "model.onnx", training.task.metadata(weights))
        say(f"kept       {training.run.folder}: {training.step} of {training.total_steps} steps")
    except DiptychError as error:  # untrained weights may not pass the export's checks
        say(f"kept       {training.run.folder}, but not all: {error}")


def _save(training: Training) -> tuple[Weights, Deployed]:
    """The canonical weights, on the disk too, and the float32 network that has them."""
    weights = {name: np.asarray(array, np.float32) for name, array in training.trainer.weights().items()}
    save_weights(training.task.graph, weights, training.run.folder / "weights.safetensors")
    return weights, training.trainer.deploy(weights)
