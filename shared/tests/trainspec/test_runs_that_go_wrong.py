"""Runs that are killed, damaged, changed or not finite: what is lost, and what is said."""

import fcntl
import math
import os
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
from fake_framework import LearningTrainer, framework
from learning_runs import WHOLE, Gone, command, facts_of, killed, learning, prepared, rows, stopped, weights_of
from samples import class_files, encoded, split_files, write_folder

from diptych.errors import DiptychError, StorageError
from netspec import architecture
from trainspec.checkpoints.file import FOLDER, load, steps_in
from trainspec.runs import Run
from trainspec.runs.lock import RunLock
from trainspec.trainer import TrainingError
from trainspec.training import train

pytestmark = pytest.mark.usefixtures("no_curves")


@pytest.mark.parametrize("last", [1, 5, 6, 13, 38])
def test_a_killed_run_goes_on_from_its_checkpoint_or_its_beginning(whole, tmp_path, monkeypatch, last):
    folder = killed(monkeypatch, tmp_path, last)
    newest = max(steps_in(folder / FOLDER), default=0)
    assert newest >= last - 6
    command("--resume", str(folder))
    assert weights_of(folder) == weights_of(whole)
    assert rows(folder) == rows(whole)
    assert facts_of(folder)["resumed"][0]["step"] == newest


def past(how: str, monkeypatch, out: Path) -> Path:
    """The folder of a run that may go on, with a file of the user's own."""
    if how == "finished":
        folder = command(*WHOLE, "--out", str(out)).folder
    elif how == "failed":
        with pytest.raises(TrainingError):
            command(*WHOLE, "--out", str(out), loss=lambda step: math.nan if step == 20 else 1.0)
        (folder,) = out.iterdir()
    elif how == "interrupted":
        folder = stopped(out, 20)
    else:
        folder = killed(monkeypatch, out, 40, *WHOLE, "--set", "checkpoint.every=never")
    (folder / "my_notes.txt").write_text("mine")
    return folder


@pytest.mark.parametrize("before", ["killed", "interrupted", "failed", "finished"])
@pytest.mark.parametrize("end", ["a signal", "diverged", "no room", "killed"])
def test_a_resumed_run_that_trains_no_step_loses_nothing(whole, tmp_path, monkeypatch, end, before):
    folder = past(before, monkeypatch, tmp_path)
    found = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".running"}
    facts = facts_of(folder)
    more = ("--epochs", "6") if before == "finished" else ()

    def loss(step: int) -> float:
        if end == "diverged":
            return math.nan
        if end == "no room":
            patch.setattr("trainspec.runs.run.write_bytes", refuse)
            return 1.0
        raise KeyboardInterrupt if end == "a signal" else Gone

    def refuse(path: Path, content: bytes) -> None:
        raise StorageError(f"{path} cannot be written")

    with monkeypatch.context() as patch:
        if end == "killed":
            patch.setattr(Run, "_break_off", lambda run, error: None)
        with pytest.raises((KeyboardInterrupt, TrainingError, StorageError, Gone)):
            command("--resume", str(folder), *more, loss=loss)
    status = "interrupted" if end == "a signal" else "failed"
    after = facts_of(folder)
    assert after["status"] == (facts["status"] if end == "killed" or before == "finished" else status)
    ended = dict.fromkeys(("status", "reason"))
    assert {**after, **ended} == {**facts, **ended}
    for path, content in found.items():
        assert path.name == "run.json" or path.read_bytes() == content, path
    command("--resume", str(folder), *more)
    assert facts_of(folder)["status"] == "finished"
    assert (folder / "my_notes.txt").exists()
    assert before == "finished" or weights_of(folder) == weights_of(whole)


def damage(folder: Path, step: int) -> Path:
    """Change a byte of the tensors in a run's checkpoint; their file."""
    file = folder / FOLDER / f"step-{step}.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    return file


def test_a_damaged_checkpoint_with_the_best_weights_is_named(tmp_path, capsys):
    """It is older than the newest good one, from which the run goes on."""
    best = ("--set", "checkpoint.keep=best", "--set", "schedule.peak=5.0")
    folder = stopped(tmp_path, 47, *WHOLE, *best)
    kept = facts_of(folder)["kept_step"]
    assert kept < steps_in(folder / FOLDER)[1]
    file = damage(folder, kept)
    command("--resume", str(folder))
    (skipped,) = facts_of(folder)["resumed"][0]["skipped"]
    assert skipped.startswith(f"{file} is damaged: ")
    assert skipped.endswith("; it had the best weights so far on the held-out images, which are lost")
    assert f"*** skipped {skipped} ***" in capsys.readouterr().out
    assert facts_of(folder)["resumed"][0]["step"] == 47


def test_damaged_checkpoints_are_skipped_and_named(whole, tmp_path, monkeypatch, capsys):
    folder = killed(monkeypatch, tmp_path, 23)
    newest, before = steps_in(folder / FOLDER)[:2]
    file = damage(folder, newest)
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


def changed_text(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_files_that_were_changed_under_a_run(tmp_path):
    folder = stopped(tmp_path, 20)
    recipe, graph = folder / "recipe.toml", folder / "graph.json"
    changed_text(recipe, "momentum = 0.9", "momentum = 0.8")
    with pytest.raises(DiptychError, match=r"optimizer.momentum is 0.9 in the run, but 0.8"):
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


@pytest.mark.parametrize("normalise", ["dataset", "half", "unit"])
@pytest.mark.parametrize("last", [2, 8])
def test_image_files_that_were_replaced_under_a_run(tmp_path, last, normalise):
    """By one of the same name and size, before and after the first checkpoint."""
    data = write_folder(tmp_path / "data", split_files())
    values = ("batch=4", "checkpoint.every=3 steps", "data.storage=files", f"augmentation.normalise={normalise}")
    argv = ("lenet5", "--data", str(data), "--epochs", "9", *(part for value in values for part in ("--set", value)))
    folder = stopped(tmp_path / "runs", last, *argv)
    if last == 2:
        rmtree(folder / FOLDER)
    image = data / "train" / "a" / "3.png"
    size = image.stat().st_size
    other = next(found for seed in range(99) if len(found := encoded(seed)) <= size and found != image.read_bytes())
    image.write_bytes(other.ljust(size, b"\0"))
    with pytest.raises(DiptychError, match="the images of .* are not those that the run began with; train again"):
        command("--resume", str(folder))


def test_two_processes_do_not_go_on_with_one_run(tmp_path, monkeypatch):
    """Both have found it not running; one then has the lock."""
    folder = stopped(tmp_path, 20)
    lock = RunLock(folder)
    monkeypatch.setattr("trainspec.runs.run.is_running", lambda folder: False)
    with pytest.raises(DiptychError, match="is still running"):
        command("--resume", str(folder))
    lock.release()


def test_a_run_that_has_gone_on_since_it_was_read(tmp_path):
    """Another process went on with it, and came to its end, while this one read the data."""
    folder = stopped(tmp_path, 20)
    task, asked = prepared("--resume", str(folder))
    command("--resume", str(folder))
    with pytest.raises(DiptychError, match="another process has gone on with it in the meantime; start again"):
        train(task, learning(lambda step: 1.0), asked)
    assert facts_of(folder)["status"] == "finished"
    assert not (folder / ".running").exists()


def test_a_lock_that_is_released_meanwhile_is_not_held_twice(tmp_path, monkeypatch):
    """Before the open file is locked, another process removes it, and a third makes a new one."""
    real, first = fcntl.flock, RunLock(tmp_path)
    third = []

    def flock(file, how):
        if first._file >= 0:
            first.release()
            third.append(RunLock(tmp_path))
        real(file, how)

    monkeypatch.setattr("trainspec.runs.lock.fcntl.flock", flock)
    with pytest.raises(BlockingIOError):
        RunLock(tmp_path)
    third[0].release()
    RunLock(tmp_path).release()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only(tmp_path):
    folder = stopped(tmp_path, 20)
    folder.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="cannot be written: Permission denied"):
            command("--resume", str(folder))
    finally:
        folder.chmod(0o700)


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
