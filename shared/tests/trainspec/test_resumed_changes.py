"""What may change between the parts of a run: the place of its data, its checkpoints, its length."""

import json

import pytest
from learning_runs import WHOLE, command, facts_of, killed, rows, stopped
from samples import split_files, write_folder

from diptych.errors import DiptychError
from trainspec.data import Form
from trainspec.judging import Recorded
from trainspec.runs import Run

SMALL = ("--set", "batch=4", "--set", "checkpoint.every=5 steps")


def found_again(folder):
    """The data of a run, as an evaluation finds them."""
    run = Run.open(folder)
    return Recorded.of(run).load(None, Form(32)), run.facts["data_label"]


def test_data_with_another_name(tmp_path):
    data = write_folder(tmp_path / "pets", split_files())
    folder = stopped(tmp_path / "runs", 7, "lenet5", "--data", str(data), "--epochs", "4", *SMALL)
    command("--resume", str(folder), "--data", str(data.rename(tmp_path / "animals")))
    loaded, label = found_again(folder)
    assert (loaded.label, label) == ("animals", "animals")


def test_the_place_of_moved_data_outlives_a_kill(tmp_path, monkeypatch):
    data = write_folder(tmp_path / "pets", split_files())
    out = tmp_path / "runs"
    folder = stopped(out, 7, "lenet5", "--data", str(data), "--epochs", "4", *SMALL)
    moved = ("--data", str(data.rename(tmp_path / "animals")))
    killed(monkeypatch, out, 2, "--resume", str(folder), *moved)
    command("--resume", str(folder))
    assert found_again(folder)[0].label == "animals"


@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_run_that_is_cut_short_validates_its_last_weights(tmp_path, monkeypatch, keep):
    values = ("evaluate_every=5", "checkpoint.every=1 epochs", f"checkpoint.keep={keep}", "batch=100")
    often = [part for value in values for part in ("--set", value)]
    argv = ("lenet5", "--data", "digits", "--epochs", "6", *often, "--out", str(tmp_path))
    folder = killed(monkeypatch, tmp_path, 30, *argv[:-2])
    command("--resume", str(folder), "--epochs", "2")
    assert [row["val_top1"] is None for row in rows(folder)] == [True, False]
    facts = facts_of(folder)
    assert facts["status"] == "finished"
    assert facts.get("kept_step", 24) == 24
    assert ("kept_step" in facts) == (keep == "best")


def test_checkpoints_given_as_a_table(tmp_path):
    folder = stopped(tmp_path, 20)
    command("--resume", str(folder), "--set", 'checkpoint={every="never", keep="best"}')
    settings = Run.open(folder).recipe.checkpoint
    assert (settings.every, settings.keep) == ("never", "best")


def test_a_graph_that_was_changed(tmp_path):
    folder = stopped(tmp_path, 20)
    file = folder / "graph.json"
    file.write_text(file.read_text().replace('"conv1"', '"first"'))
    with pytest.raises(DiptychError, match=r"graph\.json is not the network of step-20; it was changed"):
        command("--resume", str(folder))
    assert WHOLE[0] in json.loads(file.read_text())["name"]
