"""Keep the results of a training when it ends: the weights, one evaluation on the test split, the models."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deploy.files import make_folder, writing
from deploy.runs import PROOF
from deploy.shell import Stopped
from diptych.errors import DiptychError, StorageError
from diptych.machine import peak_bytes
from diptych.stopping import check
from netspec import save_weights
from netspec.compare import Difference
from netspec.init import Weights
from trainspec.certificate import NAME as CERTIFICATE, Certificate, hashes
from trainspec.checkpoints.file import load
from trainspec.checkpoints.snapshot import write_snapshot
from trainspec.predictions import predictions_file, save_predictions
from trainspec.state import TrainState, average_in
from trainspec.trainer import Deployed, Device, Framework

if TYPE_CHECKING:
    from trainspec.training import Training

NOTABLE = 0.02  # the time of checkpoints, as a share of the training's, from which on it is said


def finish(training: "Training", framework: Framework) -> None:
    """Save the weights of a training that reached its end, test it, and export its models."""
    task, state, run, say = training.task, training.state, training.run, training.watch.say
    weights, deployed = save(training, framework, tensors := kept_tensors(training))
    test = training.pace.evaluate(deployed.logits, task.data.test)
    if task.recipe.average:
        unaveraged = framework.deploy(task.graph, trained(training, tensors, averaged=False), task.threads)
        own = training.pace.evaluate(unaveraged.logits, task.data.test)
        run.facts |= {"test_top1_unaveraged": round(own.top1, 3), "test_loss_unaveraged": own.loss}
    save_predictions(test, run.folder / predictions_file(framework.name))
    say(f"test       {test}")
    speed = state.step * task.batch_size / state.all_seconds
    run.facts |= {
        "test_top1": round(test.top1, 3),
        "test_loss": test.loss,
        "test_images": len(task.data.test),
        "images_per_second": round(speed, 1),
        "train_seconds": round(state.all_seconds, 2),
        **length(training),
        **(waited := wait_figures(state)),
        **augmented_test(training, deployed),
        **training.pace.figures(),
        **training.keeper.figures(),
    }
    run.save()  # so that the figures are kept if an export fails
    if problem := training.pace.problem(state.step):
        say(f"budget     {problem}")
    metadata = task.metadata(weights)
    check()
    differences = {"model.onnx": deployed.export(run.folder / "model.onnx", metadata)}
    training.exported = True
    proof = f"{PROOF}/{framework.name}.onnx"
    make_folder(run.folder / PROOF)
    check()
    if native := deployed.export_natively(run.folder / proof, metadata):
        differences[proof] = native
    certify(training, framework, weights, differences)
    for name, difference in differences.items():
        say(f"{name}: differs from {framework.name} by {difference}")
    run.finish(exports={name: difference.value for name, difference in differences.items()})
    more, waiting = training.keeper.seconds, f"{waited['data_wait_percent']:.1f} % of it waiting for data"
    waiting += f", and {more:.1f} s for checkpoints" if more > NOTABLE * state.all_seconds else ""
    say(f"done       {run.folder}: {speed:,.0f} images/s, {state.all_seconds:.1f} s of training, {waiting}")


def certify(
    training: "Training", framework: Framework, weights: Weights, differences: Mapping[str, Difference]
) -> None:
    """Write what was proved of the run's files. The comparison with the other framework is left to parity."""
    folder = training.run.folder
    files = hashes(folder, ["weights.safetensors", *differences])
    exports = {f"{name} | {framework.name}": difference for name, difference in differences.items()}
    Certificate(training.task.graph, weights, files, exports).write(folder / PROOF / CERTIFICATE)


def length(training: "Training") -> dict[str, float]:
    """What a run records of how long it trained. A part of an epoch counts as a part."""
    step = training.state.step
    return {"epochs": round(step / training.task.steps_per_epoch, 4), "steps": step}


def wait_figures(state: TrainState) -> dict[str, float]:
    """What a run records of its waiting for data: the seconds, and their share of the training in percent."""
    share = 100 * state.wait_seconds / state.all_seconds if state.all_seconds else 0.0
    return {"data_wait_seconds": round(state.wait_seconds, 2), "data_wait_percent": round(share, 2)}


def memory_facts(device: Device) -> dict[str, int]:
    """What a run records of its memory, in bytes: the peak of the process, and of the GPU if it trains on one.

    Of a resumed run it is the process that came to the end: the others may have run on other machines.
    """
    on_device = device.peak_bytes
    return {"peak_memory": peak_bytes()} | ({} if on_device is None else {"peak_device_memory": on_device})


def augmented_test(training: "Training", deployed: Deployed) -> dict[str, float]:
    """The figures of the test with the recipe's test-time augmentation; empty if it has none."""
    if (tta := training.task.recipe.evaluation.tta) == "none":
        return {}
    test = training.pace.evaluate(deployed.logits, training.task.data.test, tta)
    training.watch.say(f"test       {test}")
    return {"test_top1_tta": round(test.top1, 3), "test_loss_tta": test.loss}


def interrupted(training: "Training", framework: Framework, stop: KeyboardInterrupt, *, resumed: bool) -> None:
    """Write a checkpoint, and keep the weights, metrics, curves and model.onnx so far.

    Before the first step there is nothing to keep: a new folder is removed, and that of a `resumed` run stays as it
    was. A checkpoint is written between two steps only: any other interrupt may come inside one.
    """
    run, say = training.run, training.watch.say
    if not run.begun:
        run.discard()
        say(f"interrupted before the first step: {f'{run.folder} stays as it was' if resumed else 'nothing is kept'}")
        return
    say("interrupted: saving the training so far")
    if isinstance(stop, Stopped) and training.keeper.is_behind(training.state, training.top1):
        try:
            write_snapshot(training)
        except StorageError as error:
            say(f"no checkpoint of step {training.state.step}: {error}")
    keep(training, framework)


def keep(training: "Training", framework: Framework) -> None:
    """Keep what an interrupted training has so far: the weights that its recipe keeps.

    They are not tested, and the native export is left out.
    """
    run, say = training.run, training.watch.say
    model = run.folder / "model.onnx"
    run.facts |= length(training)
    try:
        training.end_epoch(validate=False)
        if not training.exported:
            weights, deployed = save(training, framework, kept_tensors(training))
            deployed.export(model, training.task.metadata(weights))
        say(f"kept       {run.folder}: {training.state.step} of {training.pace.total_steps} steps")
    except DiptychError as error:  # untrained weights may not pass the export's checks
        say(f"kept       {run.folder}, but not completely: {error}")


def save(training: "Training", framework: Framework, tensors: Weights | None) -> tuple[Weights, Deployed]:
    """Save the canonical weights, averaged if the recipe says so: those in `tensors`, a trainer's state, or the last.

    Returns them, and the float32 network with them.
    """
    task, weights = training.task, trained(training, tensors, averaged=True)
    remove_proofs(training.run.folder)
    save_weights(task.graph, weights, training.run.folder / "weights.safetensors")
    return weights, framework.deploy(task.graph, weights, task.threads)


def remove_proofs(folder: Path) -> None:
    """Remove what was found out about other weights, before a run went on: predictions, exports, the certificate."""
    for pattern in (predictions_file("*"), f"{PROOF}/*.onnx", f"{PROOF}/{CERTIFICATE}"):
        for file in folder.glob(pattern):
            with writing(file):
                file.unlink(missing_ok=True)


def kept_tensors(training: "Training") -> Weights | None:
    """The state of the best checkpoint if the recipe keeps the best, which is said; None if it keeps the last."""
    if training.task.recipe.checkpoint.keep == "last":
        return None
    if (best := training.keeper.best) is None:  # no room for any checkpoint
        training.watch.say("kept       the last weights: there is no checkpoint of an epoch that was validated")
        return None
    training.watch.say(f"kept       the weights of step {best.step}, top-1 {best.top1:.2f} % of the held-out images")
    training.run.facts |= {"kept_step": best.step, "kept_val_top1": best.top1}
    return load(training.keeper.folder, best.step).tensors


def trained(training: "Training", tensors: Weights | None, *, averaged: bool) -> Weights:
    """The weights of a training in float32, those in `tensors` if it is given."""
    names, is_average = training.task.graph.params, averaged and training.task.recipe.average is not None
    if tensors is None:
        weights = training.trainer.weights(averaged)
    else:
        weights = average_in(tensors, names) if is_average else {name: tensors[name] for name in names}
    return {name: np.asarray(array, np.float32) for name, array in weights.items()}
