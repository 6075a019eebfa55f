"""Opens the folder of a run: a new one, or that of a run which goes on."""

import time
from typing import Any

from diptych.machine import describe_machine, describe_versions
from netspec.weights import weights_hash
from trainspec.batches import host_notes
from trainspec.checkpoints.file import name_of
from trainspec.checkpoints.snapshot import metrics_in
from trainspec.judging import data_facts
from trainspec.precision import BY_CLOCK, NO_PROMISE
from trainspec.resumption import Resumption
from trainspec.runs import Run
from trainspec.task import Asked, Task
from trainspec.trainer import Device, Framework

PLACE = ("data", "data_label", "data_choice", "data_path")  # what a run records of where its data are


def open_run(task: Task, framework: Framework, device: Device, asked: Asked) -> Run:
    """The run of a task, with its first facts. Raises `StorageError`, and `DataError` if it runs already."""
    notes = (*asked.notes, *host_notes(task))
    if asked.resumption is not None:
        return _resumed(task, framework, device, asked, notes, asked.resumption)
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
        notes=notes,
        out=asked.out,
        tensorboard=asked.tensorboard,
    )
    run.facts |= determinism(device, task)
    run.facts |= {"batch": task.batch_size}  # the recipe's may be larger than the data
    run.facts |= {"architecture": task.graph.name, "recipe": task.recipe_name}  # with its options, as +Mish
    run.facts |= data_facts(task.data, task.data_choice, task.constants, run.folder)
    run.facts |= task.warm_start.facts if task.warm_start else {}
    run.facts |= {"first_weights": weights_hash(task.weights)}
    run.facts |= {} if task.budget is None else {"budget_seconds": task.budget}
    return run


def determinism(device: Device, task: Task, before: bool = True) -> dict[str, Any]:
    """Whether a run repeats to the bit, and what the framework promises; `before`, whether its first part does."""
    if task.budget is not None:
        return {"deterministic": False, "determinism": BY_CLOCK}
    repeats = device.deterministic and before
    return {"deterministic": repeats, "determinism": device.determinism if repeats else NO_PROMISE}


def _resumed(
    task: Task, framework: Framework, device: Device, asked: Asked, notes: tuple[str, ...], from_: Resumption
) -> Run:
    """The run that goes on. `resumed` in its facts tells of each time: from where, and what was changed."""
    checkpoint, before = from_.checkpoint, from_.run.facts
    facts: dict[str, Any] = dict(checkpoint.content["facts"] if checkpoint else before)
    facts |= {key: before[key] for key in PLACE if key in before}  # where a later call has found the data
    now = {
        "framework": framework.name,
        "device": device.label,
        "threads": device.threads,
        "machine": describe_machine(),
        "versions": describe_versions(("numpy", "pillow", *framework.packages)),
    }
    changed = {key: [before.get(key), value] for key, value in now.items() if before.get(key) != value}
    time_ = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": asked.command,
        "step": checkpoint.step if checkpoint else 0,
        "checkpoint": name_of(checkpoint.step) if checkpoint else None,
        "skipped": list(from_.skipped),
        "changed": {**changed, **from_.changed},
    }
    facts |= now | {"notes": list(dict.fromkeys((*facts["notes"], *notes)))}
    facts |= determinism(device, task, before.get("deterministic", True))
    facts |= {"resumed": [*before.get("resumed", []), time_]}
    facts |= {} if task.budget is None else {"budget_seconds": task.budget}
    if from_.moved:
        facts |= {"data": task.data.name, "data_label": task.data.label}
        facts |= data_facts(task.data, task.data_choice, task.constants, from_.run.folder)
    frameworks = list(dict.fromkeys((*before.get("frameworks", [before["framework"]]), framework.name)))
    facts |= {"frameworks": frameworks} if len(frameworks) > 1 else {}
    metrics = metrics_in(checkpoint.content) if checkpoint else []
    return Run.resume(from_.run, task.recipe, facts, metrics, tensorboard=asked.tensorboard)
