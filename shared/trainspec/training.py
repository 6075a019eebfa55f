"""A training, whichever framework computes it: the run's folder around its steps, and what is kept in the end."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from netspec import save_weights
from netspec.errors import DiptychError
from netspec.files import make_folder, write_bytes
from netspec.init import Weights
from netspec.stopping import check
from trainspec.evaluation import save_predictions
from trainspec.judging import data_facts
from trainspec.runs import Budget, Run
from trainspec.runs.run import PROOF
from trainspec.steps import Training
from trainspec.task import Task
from trainspec.trainer import Deployed, Trainer


def train(task: Task, make: Callable[[Task], Trainer]) -> Path:
    """Train, evaluate and export; returns the run's folder.

    Ctrl-C or another signal (`netspec.stopping`) keeps what there is (weights, metrics, curves, model.onnx), marks the
    run as interrupted and is raised again. Before the first step there is nothing to keep, and no folder is left.
    """
    begin = time.monotonic()
    trainer = make(task)
    build_seconds = time.monotonic() - begin
    check()
    run = Run.start(
        task.recipe,
        architecture=task.architecture,
        framework=trainer.framework,
        data_name=task.data.name,
        data_label=task.data.label,
        command=task.command,
        device=trainer.device,
        precision=trainer.precision,
        threads=trainer.threads,
        packages=trainer.packages,
        notes=(*task.notes, *trainer.notes),
        out=task.out,
    )
    run.facts |= {"architecture": task.graph.name, "recipe": task.recipe_name}  # with its options, as +Mish
    run.facts |= data_facts(task.data, task.data_choice, task.constants, run.folder)
    with run:
        write_bytes(run.folder / "graph.json", task.graph.to_json().encode())
        training = Training(task, trainer, run, build_seconds)
        say = training.progress.say
        for title, text in (
            ("network", f"{task.graph.name}, {task.graph.num_trainable:,} parameters"),
            ("device", trainer.device),
            ("precision", trainer.precision),
            ("recipe", f"{task.recipe_name}, kept in {run.folder / 'recipe.toml'}"),
            ("run", f"{run.folder}"),
        ):
            say(f"{title:<10} {text}")
        try:
            training.train()
            _finish(training)
        except KeyboardInterrupt:
            if not training.step:
                run.discard()
                say("interrupted before the first step: there is nothing to keep")
                raise
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
        figures |= _budget_figures(training, training.budget)
    run.facts |= figures  # kept even where an export fails
    run.save()
    say(f"test       {test}")
    metadata = task.metadata(weights)
    check()
    differences = {"model.onnx": deployed.export(run.folder / "model.onnx", metadata)}
    proof = f"{PROOF}/{training.trainer.framework}.onnx"
    make_folder(run.folder / PROOF)
    check()
    differences[proof] = deployed.export_natively(run.folder / proof, metadata)
    for name, difference in differences.items():
        say(f"{name}: differs from {training.trainer.framework} by {difference}")
    run.finish(exports={name: difference.value for name, difference in differences.items()})
    say(f"done       {run.folder}: {images / training.seconds:,.0f} images/s, {training.seconds:.1f} s of training")


def _budget_figures(training: Training, budget: Budget) -> dict[str, float | bool]:
    """What was asked for and what was used. A schedule that did not fit is said aloud."""
    used = budget.elapsed
    if training.cut_short or budget.exceeded:
        problem = "ended before its schedule did" if training.cut_short else "took longer"
        training.progress.say(
            f"budget     the training {problem}: it used {used:.1f} s of {budget.seconds:g} s "
            f"for {training.step} steps; a step takes {budget.step_seconds:.2g} s here"
        )
    return {
        "budget_seconds": budget.seconds,
        "budget_used_seconds": round(used, 2),
        "schedule_ended": not training.cut_short,
    }


def _keep(training: Training) -> None:
    """What an interrupted training can still give: no look at the test split, no native export."""
    say = training.progress.say
    model = training.run.folder / "model.onnx"
    try:
        training.close(validate=False)
        if not model.exists():
            weights, deployed = _save(training)
            deployed.export(model, training.task.metadata(weights))
        say(f"kept       {training.run.folder}: {training.step} of {training.total_steps} steps")
    except DiptychError as error:  # untrained weights may not pass the export's checks
        say(f"kept       {training.run.folder}, but not all: {error}")


def _save(training: Training) -> tuple[Weights, Deployed]:
    """The canonical weights, on the disk too, and the float32 network that has them."""
    weights = {name: np.asarray(array, np.float32) for name, array in training.trainer.weights().items()}
    save_weights(training.task.graph, weights, training.run.folder / "weights.safetensors")
    return weights, training.trainer.deploy(weights)
