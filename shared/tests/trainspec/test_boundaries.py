"""Trainings that end at any boundary, by a signal or a kill, and go on: to the bit what an unbroken one is.

Every step, evaluation, export and write of a checkpoint is an event, at which the training can end.
"""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fake_framework import FOUND, Deployed, Device, LearningTrainer
from learning_runs import Gone, facts_of, prepared, rows, weights_of
from samples import class_files, write_folder

from deploy.shell import Stopped
from diptych import stopping
from netspec import functional as f, trace
from trainspec.checkpoints import keeper
from trainspec.checkpoints.file import save
from trainspec.recipes import Recipe
from trainspec.recipes.find import to_toml
from trainspec.runs import Run
from trainspec.state import average_in
from trainspec.trainer import Framework
from trainspec.training import train

DIFFERENT = {"images_per_second", "train_seconds", "data_wait_seconds", "data_wait_percent", "checkpoint_seconds"}
DIFFERENT |= {"started", "peak_memory", "peak_device_memory", "checkpoints", "recipe", "data_path", "notes", "resumed"}
SETTINGS = {
    "the best": ("checkpoint.keep=best", "checkpoint.every=never"),
    "the best, and others": ("checkpoint.keep=best", "checkpoint.every=2 steps"),
    "the best average": ("checkpoint.keep=best", "checkpoint.every=1 epochs", "average.kind=ema", "average.decay=0.5"),
    "the best of some": ("checkpoint.keep=best", "checkpoint.every=1 steps", "evaluate_every=2"),
    "the last": ("checkpoint.every=1 epochs", "evaluate_every=2"),
    "the last, with part of an epoch": ("checkpoint.every=1 steps", "epochs=2.5", "checkpoint.keep=best"),
}


def outputs(weights: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    """Logits that change their order when the weights do, so that epochs are better and worse."""
    total = sum(float(array.sum()) for array in weights.values())
    return images.reshape(len(images), -1) @ np.sin(np.arange(2 * images[0].size).reshape(-1, 2) * (1 + total))


class Events:
    """The events of one process. At number `last` (from 1) it ends, as `end` does it."""

    def __init__(self, last: int = 0, end: Callable[[], None] = lambda: None) -> None:
        self.count, self.last, self.end = 0, last, end

    def __call__(self) -> None:
        self.count += 1
        if self.count == self.last:
            self.end()

    def framework(self) -> Framework:
        def trainer(*parts):
            return Learner(*parts, loss=lambda step: self() or 1.0, event=self)

        def deploy(graph, weights, threads):
            return Model(weights, self)

        return Framework("fake", (), lambda *asked: Device(), trainer, deploy, lambda: None)

    def save(self, *given) -> None:
        self()
        save(*given)
        self()


class Learner(LearningTrainer):
    """With an average, if the recipe has one."""

    def __init__(self, graph, weights, recipe, device, *, loss, event):
        super().__init__(graph, weights, recipe, device, loss=loss)
        self.event = event
        self.average = super().weights() if recipe.average else {}

    def step(self, batch, now):
        step = super().step(batch, now)
        for name, array in self.average.items():
            array += now.average.weight * (self.trained[name] - array)
        return step

    def logits(self, images, averaged=False):
        self.event()
        return outputs(self.weights(averaged), images)

    def weights(self, averaged=False):
        return {name: array.copy() for name, array in ((averaged and self.average) or self.trained).items()}

    def state(self):
        return super().state() | {f"average.{name}": array.copy() for name, array in self.average.items()}

    def restore(self, state):
        super().restore(state)
        self.average = {name: array.copy() for name, array in average_in(state, self.average).items()}


@dataclass
class Model(Deployed):
    weights: dict[str, np.ndarray]
    event: Events

    def logits(self, images):
        self.event()
        return outputs(self.weights, images)

    def export(self, path, metadata):
        self.event()
        path.write_text(metadata["weights_sha256"])
        self.event()
        return FOUND

    export_natively = export


@pytest.fixture(scope="module")
def data(no_curves: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images for training, 24 to hold out, and 24 for the test."""
    places = [f"{split}/{name}" for split in ("train", "val", "test") for name in class_files(count=12)]
    contents = class_files(count=36).values()
    return write_folder(tmp_path_factory.mktemp("data"), dict(zip(places, contents, strict=True)))


def trained(events: Events, *argv: str) -> Run:
    task, asked = prepared(*argv)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeper, "save", events.save)
        return train(task, events.framework(), asked)


def begin(data: Path, settings: Sequence[str], out: Path, events: Events) -> Run:
    out.mkdir(exist_ok=True)
    graph = trace("small", (3, 8, 8), lambda x: f.linear(f.flatten(x), 2, name="fc"))
    (out / "small.json").write_text(graph.to_json())
    (out / "recipe.toml").write_text(to_toml(Recipe(batch=8, epochs=4, evaluate_every=1)))
    values = [part for value in settings for part in ("--set", value)]
    files = str(out / "small.json"), "--recipe", str(out / "recipe.toml"), "--data", str(data)
    return trained(events, *files, *values, "--out", str(out / "runs"))


def result(folder: Path) -> dict[str, object]:
    """All that a run has come to, but for what is measured, and where it is."""
    facts = {key: value for key, value in facts_of(folder).items() if key not in DIFFERENT}
    files = {name: (folder / name).read_bytes() for name in ("model.onnx", "predictions-fake.npy", "proof/fake.onnx")}
    return {"weights": weights_of(folder), "rows": rows(folder), **facts, **files}


def ask_to_stop() -> None:
    stopping._asked = signal.SIGTERM


def vanish() -> None:
    raise Gone


def ends_everywhere(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *values: str, by: str) -> dict:
    end, error = {"signal": (ask_to_stop, Stopped), "kill": (vanish, Gone)}[by]
    events = Events()
    expected = result(begin(data, values, tmp_path, events).folder)
    if by == "kill":
        monkeypatch.setattr(Run, "_break_off", lambda self, error: None)
    for last in range(1, events.count + 1):
        out = tmp_path / str(last)
        with pytest.raises(error):
            begin(data, values, out, Events(last, end))
        (folder,) = (out / "runs").iterdir()
        trained(Events(), "--resume", str(folder))
        assert result(folder) == expected, f"event {last}"
    return expected


def test_a_signal_at_any_boundary(data, tmp_path, monkeypatch):
    """The second of three epochs, each of one step, is the best."""
    values = *SETTINGS["the best"], "batch=24", "epochs=3"
    assert ends_everywhere(data, tmp_path, monkeypatch, *values, by="signal")["kept_step"] == 2


@pytest.mark.long
@pytest.mark.parametrize("by", ["signal", "kill"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_every_end_at_every_boundary(data, tmp_path, monkeypatch, setting, by):
    ends_everywhere(data, tmp_path, monkeypatch, *SETTINGS[setting], by=by)
