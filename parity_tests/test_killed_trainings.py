"""Three kills of `python -m parity kill`, which has all the others, and how runs go on by the commands themselves."""

import json
import signal

import numpy as np
import pytest

from deploy.shell import Stopped
from diptych.errors import UsageError
from parity.__main__ import main
from parity.killing import command, training
from parity.killing.chain import Whole, only_run, train_killed, train_whole
from parity.killing.training import Kill, begin, run
from trainspec.judging import read_run
from trainspec.runs import Run

KILLS = {"torch": (True, False), "keras": (True,)}  # whether each comes inside the write of a checkpoint


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Whole]:
    return {name: train_whole(name, tmp_path_factory.mktemp(name)) for name in KILLS}


@pytest.mark.xdist_group("killed")
@pytest.mark.parametrize("framework", KILLS)
def test_a_killed_training_ends_as_if_it_had_not_been(framework, wholes, tmp_path):
    seed = np.random.default_rng([3, list(KILLS).index(framework)])
    chain = train_killed(framework, tmp_path, wholes[framework], KILLS[framework], seed)
    assert len(chain.kills) == len(KILLS[framework])
    assert not chain.differs


@pytest.mark.xdist_group("killed")
def test_a_run_changes_its_framework_by_the_command(wholes, tmp_path):
    """Begun in PyTorch, ended in Keras: a finished run that says so, near to both in float32."""
    assert run("torch", begin(tmp_path, "runs"), Kill(wholes["torch"].seconds / 2)).killed
    (folder,) = (tmp_path / "runs").iterdir()
    run("keras", ["train", "--resume", str(folder)])
    changed = only_run(tmp_path / "runs")
    facts = json.loads((folder / "run.json").read_text())
    assert facts["frameworks"] == ["torch", "keras"]
    assert facts["resumed"][0]["changed"]["framework"] == ["torch", "keras"]
    assert (folder / "predictions-keras.npy").exists()
    for whole in wholes.values():
        assert [row.plan_digest for row in changed.metrics] == [row.plan_digest for row in whole.run.metrics]
    read_run(folder)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Stopped(signal.SIGTERM)])
def test_a_stopped_command_leaves_no_training_behind(tmp_path, monkeypatch, stop):
    def interrupt(seconds):
        raise stop

    monkeypatch.setattr(training.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run("torch", begin(tmp_path, "runs"), Kill(1.0))
    (folder,) = (tmp_path / "runs").iterdir()
    assert Run.open(folder).state == "killed"


@pytest.mark.parametrize("wrong", [["--seed", "-1"], ["--seed", str(2**63)], ["--kills", "0"]])
def test_numbers_that_make_no_sense_are_refused_before_a_training(wrong, tmp_path):
    with pytest.raises(UsageError, match="^" + " ".join(wrong)):
        main(["kill", *wrong, "--out", str(tmp_path / "killed")])
    assert not [*tmp_path.iterdir()]


def test_a_framework_that_is_named_twice_is_tested_once(tmp_path, monkeypatch):
    tested = []
    monkeypatch.setattr(command, "kill", lambda framework, *_: not tested.append(framework))
    assert main(["kill", "--frameworks", "torch", "keras", "torch", "--out", str(tmp_path / "killed")]) == 0
    assert tested == ["torch", "keras"]
