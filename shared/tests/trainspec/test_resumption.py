"""Runs that go on: equal to those that never stopped, and refused where they would be another training."""

from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from learning_runs import EPOCHS, WHOLE, command, facts_of, rows, stopped, stopping_at, weights_of

from deploy.runs import PROOF
from deploy.shell import Stopped
from diptych.errors import DiptychError
from netspec import architecture, initial_weights, load_weights, save_weights
from trainspec import batches
from trainspec.checkpoints.file import FOLDER, load, steps_in
from trainspec.judging import read_run
from trainspec.results.measured import read_measured
from trainspec.runs import Run, events
from trainspec.runs.lock import RunLock

pytestmark = pytest.mark.usefixtures("no_curves")


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


def test_the_waiting_of_all_processes_counts(tmp_path, monkeypatch):
    """By a clock on which every batch takes half a second."""
    monkeypatch.setattr(batches, "time", SimpleNamespace(monotonic=count(step=0.5).__next__))
    folder = stopped(tmp_path, 10)
    assert load(folder / FOLDER, 10).content["state"]["wait_seconds"] == 5.0
    command("--resume", str(folder))
    facts = facts_of(folder)
    assert facts["data_wait_seconds"] == facts["steps"] / 2 + facts["epochs"] / 2  # an epoch waits for its end, too
    seconds = 100 * facts["data_wait_seconds"] / facts["data_wait_percent"]
    assert facts["train_seconds"] == pytest.approx(seconds, abs=0.006)  # it has two decimals


def test_a_resumed_run_is_a_finished_one(whole, tmp_path):
    folder = stopped(tmp_path, 20)
    with pytest.raises(DiptychError, match="was interrupted before its end; train --resume goes on with it$"):
        read_run(folder)
    command("--resume", str(folder))
    run, graph, weights = read_run(folder)
    assert run.state == "finished"
    assert weights.keys() == load_weights(graph, whole / "weights.safetensors").keys()
    one, other = map(read_measured, (folder, whole))
    assert one.key == other.key
    assert (one.epochs, other.epochs) == (EPOCHS, EPOCHS)


def test_more_epochs(tmp_path, capsys):
    folder = stopped(tmp_path, 20)
    command("--resume", str(folder), "--epochs", "6", "--set", "checkpoint.every=never")
    facts = facts_of(folder)
    assert facts["steps"] == 72
    assert facts["resumed"][0]["changed"] == {"epochs": [4.0, 6.0], "checkpoint.every": ["5 steps", "never"]}
    assert Run.open(folder).recipe.epochs == 6
    command("--resume", str(folder), "--epochs", "7")  # a finished run, from its last checkpoint
    assert f"*** {folder} goes on from step-20; steps 21 to 72 are trained again ***" in capsys.readouterr().out
    assert facts_of(folder)["steps"] == 84
    assert len(rows(folder)) == 7


@pytest.mark.parametrize("epochs", ["1", "0.5", "1.25"])
def test_a_finished_run_is_trained_further(tmp_path, epochs):
    """All its epochs stay, the rest of the last one is trained, and those that are missing are added.

    The default writes no checkpoint in between.
    """
    options = "lenet5", "--data", "digits", "--set", "batch=100", "--set", "schedule.kind=constant"
    folder = command(*options, "--epochs", epochs, "--out", str(tmp_path)).folder
    straight = command(*options, "--epochs", "2", "--out", str(tmp_path / "straight")).folder
    (end,) = steps_in(folder / FOLDER)
    command("--resume", str(folder), "--epochs", "2")
    assert weights_of(folder) == weights_of(straight)
    assert rows(folder) == rows(straight)
    assert facts_of(folder)["plan_digests"] == facts_of(straight)["plan_digests"]
    facts = facts_of(folder)
    assert (facts["resumed"][0]["step"], facts["steps"], facts["epochs"]) == (end, 24, 2)
    assert read_measured(folder).epochs == 2
    assert steps_in(folder / FOLDER) == [24, end]
    with pytest.raises(DiptychError, match="is finished; give more --epochs to train it further"):
        command("--resume", str(folder), "--epochs", "2")


@pytest.mark.parametrize("last", [None, 3])
def test_nothing_speaks_for_the_weights_of_before(tmp_path, last):
    """After a run has gone on, to its end or not, also if another framework made the files."""
    folder = command(*WHOLE, "--out", str(tmp_path)).folder
    others = [folder / "predictions-other.npy", folder / PROOF / "other.onnx"]
    for file in others:
        file.write_bytes(b"of the weights of before")
    own = folder / "predictions-fake.npy"
    assert own.exists()
    if last is None:
        command("--resume", str(folder), "--epochs", "5")
    else:
        with pytest.raises(Stopped):
            command("--resume", str(folder), "--epochs", "5", loss=stopping_at(last))
    assert not any(file.exists() for file in others)
    assert own.exists() == (folder / PROOF / "certificate.json").exists() == (last is None)


def test_a_finished_run_without_a_checkpoint(tmp_path):
    folder = command(*WHOLE, "--set", "checkpoint.every=never", "--out", str(tmp_path)).folder
    for more in ((), ("--epochs", "9")):
        with pytest.raises(DiptychError, match="is finished, and has no checkpoint to go on from; train again"):
            command("--resume", str(folder), *more)


@pytest.mark.parametrize(
    ("first", "then", "whole"),
    [("", "", True), ("--no-deterministic", "", False), ("--no-deterministic", "--deterministic", False)],
)
def test_a_run_repeats_to_the_bit_if_all_its_parts_do(tmp_path, first, then, whole):
    folder = stopped(tmp_path, 20, *WHOLE, *first.split())
    assert facts_of(folder)["deterministic"] == (not first)
    command("--resume", str(folder), *then.split())
    facts = facts_of(folder)
    assert facts["deterministic"] == whole
    assert ("may differ in the last bits" in facts["determinism"]) == (not whole)


def test_a_budget(tmp_path):
    folder = stopped(tmp_path, 20)
    command("--resume", str(folder), "--budget", "1s")
    facts = facts_of(folder)
    assert facts["budget_seconds"] == 1.0
    assert not facts["deterministic"]
    assert facts["steps"] > 20
    assert facts["resumed"][0]["changed"] == {"budget": [None, 1.0]}
    for length in ("--epochs", "99"), ("--budget", "1s"):
        with pytest.raises(DiptychError, match="is finished; give more --budget to train it further"):
            command("--resume", str(folder), *length)
    command("--resume", str(folder), "--budget", "2s", "--epochs", "99")
    assert facts_of(folder)["steps"] > facts["steps"]
    assert "the budget decides how long the training is, not the epochs" in facts_of(folder)["notes"]


REFUSED = {  # options beside --resume, and the line
    "a seed": (("--seed", "1"), "seed is 0 in the run, but 1 is asked"),
    "an optimizer": (("--set", "optimizer.kind=adamw"), r"optimizer\.\w+ is .* is asked"),
    "a batch": (("--set", "batch=50"), "batch is 100 in the run, but 50"),
    "a recipe": (("--recipe", "original"), "is .* in the run, but .* is asked"),
    "the default recipe by its name": (("--recipe", "modern"), "is .* in the run, but .* is asked"),
    "another network": (("resnet20", "--set", "batch=100"), "its network is lenet5, not the resnet20"),
    "frozen parameters": (("--freeze", "conv1*"), "parameters is .* in the run, but .*conv1.* is asked"),
    "another place": (("--out", "elsewhere"), "--out elsewhere: .* goes on in its own folder"),
    "other data": (("--data", "cifar10"), "it trains on UCI optical digits .embedded., not on cifar10"),
    "data by name": (("--set", "data.name=cifar10"), "choose the data with --data D"),
    "epochs without end": (("--epochs", "1e308"), "epochs"),
    "fewer epochs": (("--epochs", "1"), r"epochs = 1, but 1\.66667 epochs are done"),
    "a budget that is used": (("--budget", "0.001s"), r"--budget 0.001s, but \d.* s are used; give more"),
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
    command(*WHOLE, "--out", str(tmp_path), "--resume", str(folder))
    assert weights_of(folder) == weights_of(whole)
    assert facts_of(folder)["resumed"][0]["changed"] == {}


@pytest.mark.parametrize("last", [3, 20])
def test_first_weights_and_freezing_again(whole, tmp_path, last):
    """Before and after the first checkpoint."""
    asked = ("--weights", str(whole / "weights.safetensors"), "--freeze", "conv1*")
    folder = stopped(tmp_path / "a", last, *WHOLE, *asked)
    other = tmp_path / "other.safetensors"
    save_weights(architecture("lenet5"), initial_weights(architecture("lenet5"), 1), other)
    with pytest.raises(DiptychError, match=f"--weights {other}: {folder} did not begin with this file"):
        command("--resume", str(folder), "--weights", str(other))
    with pytest.raises(DiptychError, match="parameters is .* is asked"):
        command("--resume", str(folder), "--weights", asked[1], "--freeze", "conv2*")
    command("--resume", str(folder), *asked)
    assert facts_of(folder)["status"] == "finished"
    assert Run.open(folder).recipe.parameters == Run.open(folder).recipe.parameters[:1]
    unaided = stopped(tmp_path / "b", last)
    with pytest.raises(DiptychError, match="did not begin with this file"):
        command("--resume", str(unaided), *asked[:2])


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


def assert_kept(folder, step: int) -> None:
    """The weights of a run are those of step `step`, which has a checkpoint."""
    tensors = load(folder / FOLDER, step).tensors
    for name, array in load_weights(architecture("lenet5"), folder / "weights.safetensors").items():
        np.testing.assert_array_equal(array, tensors[name].astype(np.float32))


def test_the_best_weights_are_exported(tmp_path, capsys):
    """Those of the epochs so far where a signal ends the training."""
    options = ("--set", "checkpoint.keep=best", "--set", "checkpoint.every=never", "--set", "schedule.peak=5.0")
    run = command(*WHOLE, *options, "--out", str(tmp_path / "whole"))
    top1 = [row["val_top1"] for row in rows(run.folder)]
    best = top1.index(max(top1)) + 1
    facts = facts_of(run.folder)
    assert (facts["kept_step"], facts["kept_val_top1"]) == (12 * best, max(top1))
    assert_kept(run.folder, 12 * best)
    for last in (3, 30, 47):
        folder = stopped(tmp_path / str(last), last, *WHOLE, *options)
        first = top1[: last // 12]
        assert_kept(folder, 12 * first.index(max(first)) + 12 if first else 3)
        assert facts_of(folder).get("kept_val_top1") == max(first, default=None)
        words = f"the weights of step {facts_of(folder)['kept_step']}" if first else "the last weights"
        assert f"kept       {words}" in capsys.readouterr().out
        command("--resume", str(folder))
        assert weights_of(folder) == weights_of(run.folder)


def test_tensorboard_goes_on(tmp_path):
    pytest.importorskip("tensorboard")
    folder = stopped(tmp_path, 20, *WHOLE, "--tensorboard")
    begun = {file: file.stat().st_size for file in (folder / "tensorboard").iterdir()}
    command("--resume", str(folder))
    assert sum(file.stat().st_size for file in (folder / "tensorboard").iterdir()) > sum(begun.values())


def test_tensorboard_from_now_on(tmp_path):
    """It also gets the epochs before."""
    pytest.importorskip("tensorboard")
    from event_files import events_in, figures_of

    folder = stopped(tmp_path, 20)
    command("--resume", str(folder), "--tensorboard")
    (file,) = (folder / "tensorboard").iterdir()
    figures = [figures_of(event) for event in events_in(file)]
    assert [step for step, found in figures if "train_loss" in found] == [12, 24, 36, 48]


def test_tensorboard_that_is_not_installed(tmp_path, monkeypatch):
    folder = stopped(tmp_path, 20)
    monkeypatch.setattr(events, "find_spec", lambda name: None)
    for name, line in (("again", "--tensorboard: TensorBoard is not installed"), ("tensorboard", f"{folder}/tensorb")):
        (folder / name).mkdir()
        with pytest.raises(DiptychError, match=line):
            command("--resume", str(folder), "--tensorboard")
