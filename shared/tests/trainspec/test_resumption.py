"""Runs that go on: equal to those that never stopped, and refused where they would be another training."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from asked import values_of
from fake_framework import LearningTrainer, framework
from samples import class_files, write_folder

from deploy.shell import Stopped
from diptych import stopping
from diptych.errors import DiptychError, StorageError
from netspec import architecture, load_weights
from trainspec.checkpoints import file as checkpoint_file
from trainspec.checkpoints.file import FOLDER, load, steps_in
from trainspec.judging import read_run
from trainspec.recipes import TrainOptions
from trainspec.results.measured import read_measured
from trainspec.resumption import RESUMABLE_OPTIONS, resume
from trainspec.runs import Run
from trainspec.runs.lock import RunLock
from trainspec.task import Asked, Task, prepare
from trainspec.trainer import Framework, TrainingError
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


@pytest.fixture(autouse=True, scope="module")
def no_curves() -> Iterator[None]:
    """Nothing is drawn, and no write waits for the disk: both would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        patch.setattr("trainspec.runs.run.draw_curves", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return command(*WHOLE, "--out", str(tmp_path_factory.mktemp("whole"))).folder


def weights_of(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


def test_checkpoints_of_a_whole_run(whole):
    assert steps_in(whole / FOLDER)[0] >= 45
    assert 2 <= len(steps_in(whole / FOLDER)) <= 3
    assert facts_of(whole)["checkpoints"] >= 9
    assert "resumed" not in facts_of(whole)


@pytest.mark.parametrize("last", [3, 7, 12, 13, 24, 40, 47])
def test_a_stopped_run_goes_on_as_if_it_had_not(whole, tmp_path, last):
    """Before the first checkpoint, in the middle and at the end of an epoch, and in the last one."""
    folder = stopped(tmp_path, last)
    assert facts_of(folder)["status"] == "interrupted"
    assert facts_of(folder)["reason"]
    run = command("--resume", str(folder))
    assert run.folder == folder
    assert weights_of(folder) == weights_of(whole)
    assert rows(folder) == rows(whole)
    facts = facts_of(folder)
    assert facts["status"] == "finished"
    assert "reason" not in facts
    assert facts["first_losses"] == facts_of(whole)["first_losses"]
    assert [facts[key] for key in ("steps", "test_loss")] == [facts_of(whole)[key] for key in ("steps", "test_loss")]
    (resumed,) = facts["resumed"]
    assert (resumed["step"], resumed["checkpoint"], resumed["changed"]) == (last, f"step-{last}", {})
    assert not (folder / ".running").exists()


def test_a_run_that_stops_often(whole, tmp_path):
    folder, generator = stopped(tmp_path, 4), np.random.default_rng(0)
    for last in (2, 5, 1, 9, 12):
        with pytest.raises(Stopped):
            command("--resume", str(folder), loss=stopping_at(last + int(generator.integers(2))))
    command("--resume", str(folder))
    assert weights_of(folder) == weights_of(whole)
    assert rows(folder) == rows(whole)
    assert len(facts_of(folder)["resumed"]) == 6


def test_a_resumed_run_is_a_finished_one(whole, tmp_path):
    folder = stopped(tmp_path, 20)
    with pytest.raises(DiptychError, match="was interrupted before its end; train --resume goes on"):
        read_run(folder)
    command("--resume", str(folder))
    run, graph, weights = read_run(folder)
    assert run.state == "finished"
    assert weights.keys() == load_weights(graph, whole / "weights.safetensors").keys()
    one, other = map(read_measured, (folder, whole))
    assert one.key == other.key
    assert (one.epochs, other.epochs) == (EPOCHS, EPOCHS)


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


@pytest.mark.parametrize("last", [1, 5, 6, 13, 38])
def test_a_killed_run_goes_on_from_its_checkpoint_or_its_beginning(whole, tmp_path, monkeypatch, last):
    folder = killed(monkeypatch, tmp_path, last)
    newest = max(steps_in(folder / FOLDER), default=0)
    assert newest >= last - 6
    command("--resume", str(folder))
    assert weights_of(folder) == weights_of(whole)
    assert rows(folder) == rows(whole)
    assert facts_of(folder)["resumed"][0]["step"] == newest


def test_damaged_checkpoints_are_skipped_and_named(whole, tmp_path, monkeypatch, capsys):
    folder = killed(monkeypatch, tmp_path, 23)
    newest, before = steps_in(folder / FOLDER)[:2]
    file = folder / FOLDER / f"step-{newest}.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    command("--resume", str(folder))
    assert f"*** skipped {file} is damaged" in capsys.readouterr().out
    assert weights_of(folder) == weights_of(whole)
    (resumed,) = facts_of(folder)["resumed"]
    assert resumed["step"] == before
    assert len(resumed["skipped"]) == 1
    assert rows(folder) == rows(whole)


def test_no_good_checkpoint(tmp_path, monkeypatch):
    folder = killed(monkeypatch, tmp_path, 23)
    for path in (folder / FOLDER).glob("*.json"):
        path.write_bytes(b"{}")
    with pytest.raises(DiptychError, match="has no good checkpoint; train again"):
        command("--resume", str(folder))


def test_more_epochs(tmp_path):
    folder = stopped(tmp_path, 20)
    command("--resume", str(folder), "--epochs", "6", "--set", "checkpoint.every=never")
    facts = facts_of(folder)
    assert facts["steps"] == 72
    assert facts["resumed"][0]["changed"] == {"epochs": [4.0, 6.0], "checkpoint.every": ["5 steps", "never"]}
    assert Run.open(folder).recipe.epochs == 6
    command("--resume", str(folder), "--epochs", "7")  # a finished run, from its last checkpoint
    assert facts_of(folder)["steps"] == 84
    assert len(rows(folder)) == 7


def test_a_budget(tmp_path):
    folder = stopped(tmp_path, 20)
    command("--resume", str(folder), "--budget", "1s")
    facts = facts_of(folder)
    assert facts["budget_seconds"] == 1.0
    assert facts["steps"] > 20
    assert facts["resumed"][0]["changed"] == {"budget": [None, 1.0]}


REFUSED = {  # options beside --resume, and the line
    "a seed": (("--seed", "1"), "seed is 0 in the run and 1 in what is asked"),
    "an optimizer": (("--set", "optimizer.kind=adamw"), r"optimizer\.\w+ is .* in what is asked"),
    "a batch": (("--set", "batch=50"), "batch is 100 in the run and 50"),
    "a recipe": (("--recipe", "original"), "is .* in the run and .* in what is asked"),
    "another network": (("resnet20", "--set", "batch=100"), "its network is lenet5, not the resnet20"),
    "fewer epochs": (("--epochs", "1"), r"epochs = 1, but 1\.66667 epochs are done"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_another_training(tmp_path, case):
    folder = stopped(tmp_path, 20)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    options, line = REFUSED[case]
    with pytest.raises(DiptychError, match=line) as error:
        command("--resume", str(folder), *options)
    assert "\n" not in str(error.value)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_same_command_line_again(whole, tmp_path):
    """As a queue of jobs repeats it, with --resume behind it."""
    folder = stopped(tmp_path, 20)
    command(*WHOLE, "--resume", str(folder))
    assert weights_of(folder) == weights_of(whole)
    assert facts_of(folder)["resumed"][0]["changed"] == {}


def changed_text(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_files_that_were_changed_under_a_run(tmp_path):
    folder = stopped(tmp_path, 20)
    recipe, graph = folder / "recipe.toml", folder / "graph.json"
    changed_text(recipe, "momentum = 0.9", "momentum = 0.8")
    with pytest.raises(DiptychError, match=r"optimizer.momentum is 0.9 in the run and 0.8"):
        command("--resume", str(folder))
    changed_text(recipe, "momentum = 0.8", "momentum = 0.9")
    kept = graph.read_text()
    graph.write_text(architecture("lenet5", activation="mish").to_json().replace("lenet5(activation=mish)", "lenet5"))
    with pytest.raises(DiptychError, match="graph.json is not the network of step-20; it was changed"):
        command("--resume", str(folder))
    graph.write_text(kept)
    command("--resume", str(folder))


@pytest.mark.parametrize("split", ["train", "test"])
def test_data_that_changed_under_a_run(tmp_path, split):
    """One image of the training, or one of the test."""
    data = tmp_path / "data"
    files = {f"{part}/{name}": content for part in ("train", "test") for name, content in class_files().items()}
    write_folder(data, files)
    argv = ("lenet5", "--data", str(data), "--epochs", "9", "--set", "batch=4", "--set", "checkpoint.every=3 steps")
    folder = stopped(tmp_path / "runs", 8, *argv)
    other = class_files(count=11)["a/10.png"]
    (data / split / "a" / "3.png").write_bytes(other)
    with pytest.raises(DiptychError, match="the images"):
        command("--resume", str(folder))
    write_folder(data, files)
    moved = data.rename(tmp_path / "moved")
    with pytest.raises(DiptychError, match="give --data D"):
        command("--resume", str(folder))
    command("--resume", str(folder), "--data", str(moved))
    assert facts_of(folder)["data_choice"] == str(moved)


def test_runs_that_cannot_go_on(whole, tmp_path):
    with pytest.raises(DiptychError, match="is finished; give more --epochs to train it further"):
        command("--resume", str(whole))
    with pytest.raises(DiptychError, match="no such folder"):
        command("--resume", str(tmp_path / "none"))
    folder = stopped(tmp_path / "a", 20)
    lock = RunLock(folder)
    with pytest.raises(DiptychError, match="is still running"):
        command("--resume", str(folder))
    lock.release()
    with pytest.raises(DiptychError, match="give ARCH, the network to train, or --resume RUN"):
        command("--data", "digits")


def test_two_processes_do_not_go_on_with_one_run(tmp_path, monkeypatch):
    """Both have found it not running; one then has the lock."""
    folder = stopped(tmp_path, 20)
    lock = RunLock(folder)
    monkeypatch.setattr("trainspec.runs.run.is_running", lambda folder: False)
    with pytest.raises(DiptychError, match="is still running"):
        command("--resume", str(folder))
    lock.release()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only(tmp_path):
    folder = stopped(tmp_path, 20)
    folder.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="cannot be written: Permission denied"):
            command("--resume", str(folder))
    finally:
        folder.chmod(0o700)


def test_no_room_for_a_checkpoint_does_not_end_the_training(whole, tmp_path, monkeypatch, capsys):
    real = checkpoint_file._check_room

    def check(path: Path, needed: int) -> None:
        real(path, needed if "step-20." not in path.name else 2**60)

    monkeypatch.setattr(checkpoint_file, "_check_room", check)
    run = command(*WHOLE, "--out", str(tmp_path))
    assert "no checkpoint of step 20, the training goes on: " in capsys.readouterr().out
    assert weights_of(run.folder) == weights_of(whole)


def test_a_loss_that_is_not_finite_at_a_random_step(tmp_path):
    """It is caught in that very step, and the last checkpoint is named; 20 of 20."""
    task, asked = prepared(*WHOLE)
    for number, bad in enumerate(np.random.default_rng(2).integers(6, 48, 20)):
        out = tmp_path / str(number)
        value = (float("nan"), float("inf"))[number % 2]
        seen: list[int] = []

        def loss(step: int, bad=bad, value=value, seen=seen) -> float:
            seen.append(step)
            return value if step == bad else 1.0

        with pytest.raises(TrainingError, match=rf"in step {bad} \(.*; the last good checkpoint is ") as error:
            train(task, learning(loss), replace(asked, out=out))
        assert seen[-1] == bad
        (folder,) = out.iterdir()
        assert facts_of(folder)["status"] == "failed"
        assert str(error.value) == facts_of(folder)["reason"]
        step = int(str(error.value).rpartition("step-")[2])
        assert bad - 6 <= step < bad
        assert load(folder / FOLDER, step)


def test_weights_that_are_not_finite_are_never_a_checkpoint(tmp_path):
    class Broken(LearningTrainer):
        def step(self, batch, now):
            step = super().step(batch, now)
            if len(self.rates) == 8:
                self.trained["conv1.weight"][0] = np.nan
            return step

    task, asked = prepared(*WHOLE, "--out", str(tmp_path))
    with pytest.raises(TrainingError, match=r"'conv1.weight' became NaN or infinite by step 10 .*step-5"):
        train(task, framework(Broken), asked)
    (folder,) = tmp_path.iterdir()
    assert steps_in(folder / FOLDER) == [5]


def test_the_best_weights_are_exported(tmp_path):
    options = ("--set", "checkpoint.keep=best", "--set", "checkpoint.every=never", "--set", "schedule.peak=5.0")
    run = command(*WHOLE, *options, "--out", str(tmp_path / "whole"))
    top1 = [row["val_top1"] for row in rows(run.folder)]
    best = top1.index(max(top1)) + 1
    facts = facts_of(run.folder)
    assert (facts["kept_step"], facts["kept_val_top1"]) == (12 * best, max(top1))
    tensors = load(run.folder / FOLDER, 12 * best).tensors
    kept = load_weights(architecture("lenet5"), run.folder / "weights.safetensors")
    for name, array in kept.items():
        np.testing.assert_array_equal(array, tensors[name].astype(np.float32))
    for last in (3, 30, 47):
        folder = stopped(tmp_path / str(last), last, *WHOLE, *options)
        command("--resume", str(folder))
        assert weights_of(folder) == weights_of(run.folder)


def test_tensorboard_goes_on(tmp_path):
    pytest.importorskip("tensorboard")
    folder = stopped(tmp_path, 20, *WHOLE, "--tensorboard")
    begun = {file: file.stat().st_size for file in (folder / "tensorboard").iterdir()}
    command("--resume", str(folder))
    assert sum(file.stat().st_size for file in (folder / "tensorboard").iterdir()) > sum(begun.values())
