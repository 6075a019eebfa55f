"""Runs of a framework that learns in NumPy: whole ones, and ones that were stopped or killed."""

import json
import signal
from pathlib import Path

import pytest
from asked import values_of
from fake_framework import LearningTrainer, framework

from deploy.shell import Stopped
from diptych import stopping
from trainspec.recipes import TrainOptions
from trainspec.resumption import RESUMABLE_OPTIONS, resume
from trainspec.runs import Run
from trainspec.task import Asked, Task, prepare
from trainspec.trainer import Framework
from trainspec.training import train

SET = ("--set", "batch=100", "--set", "checkpoint.every=5 steps", "--set", "evaluate_every=1")
EPOCHS = 4  # of 12 steps
WHOLE = ("lenet5", "--data", "digits", "--epochs", str(EPOCHS), *SET)


def prepared(*argv: str) -> tuple[Task, Asked]:
    values = values_of(RESUMABLE_OPTIONS, argv)
    network = values.pop("network")
    options = TrainOptions.read(**values)
    return (resume if options.resume else prepare)(network, options, "the command")


def learning(loss) -> Framework:
    """The framework that learns in NumPy. `loss` is given the step of this process."""
    return framework(lambda *parts: LearningTrainer(*parts, loss=loss))


def command(*argv: str, loss=lambda step: 1.0) -> Run:
    """A training command."""
    task, asked = prepared(*argv)
    return train(task, learning(loss), asked)


def stopping_at(last: int):
    """A loss; a signal arrives in step `last`."""

    def loss(step: int) -> float:
        if step == last:
            stopping._asked = signal.SIGTERM
        return 1.0

    return loss


def stopped(out: Path, last: int, *argv: str) -> Path:
    """The folder of a run that a signal stopped."""
    with pytest.raises(Stopped):
        command(*(argv or WHOLE), "--out", str(out), loss=stopping_at(last))
    (folder,) = out.iterdir()
    return folder


def rows(folder: Path) -> list[dict]:
    """The figures of all epochs, but for those that are measured anew."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: line[key] for key in line if key not in ("seconds", "images_per_second")} for line in lines]


def facts_of(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def weights_of(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


class Gone(BaseException):
    """Ends a training as `kill -9` does, as far as a test can."""


def killed(monkeypatch: pytest.MonkeyPatch, out: Path, last: int, *argv: str) -> Path:
    """The folder of a run that ended in step `last` without a word."""

    def loss(step: int) -> float:
        if step == last:
            raise Gone
        return 1.0

    with monkeypatch.context() as patch:
        patch.setattr(Run, "_break_off", lambda self, error: None)
        with pytest.raises(Gone):
            command(*(argv or WHOLE), "--out", str(out), loss=loss)
    (folder,) = out.iterdir()
    assert Run.open(folder).state == "killed"
    return folder
