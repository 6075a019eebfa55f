"""`python -m parity compare ARCH`: the trainings that it starts."""

import json
import sys
from pathlib import Path

import pytest

import keras_impl.__main__
import torch_impl.__main__
from diptych.errors import DataError
from netspec.compare import limits
from parity.__main__ import main
from parity.compare import command
from parity.compare.training import Trained, train

TRAIN = "lenet5 --data digits --epochs 1 --precision fp32 --out"
COMMANDS = {"torch": torch_impl.__main__.main, "keras": keras_impl.__main__.main}


def test_both_frameworks_are_trained(tmp_path, monkeypatch):
    """One is trained by its command, the others in this process, by the same command line."""
    started = []

    def started_here(framework, arguments, python):
        started.append(framework)
        if len(started) == 1:
            return train(framework, arguments, python)
        COMMANDS[framework](["train", *arguments])
        folder = Path(arguments[-1])
        return Trained(next(folder.glob(f"*-{framework}-*")), "a command", 1.5, 2.5)

    monkeypatch.setattr(command, "train", started_here)
    arguments = [*TRAIN.split(), str(tmp_path / "runs")]
    assert main(["compare", *arguments, "--float64", "--pages", str(tmp_path / "pages")]) == 0
    assert started == [*COMMANDS] * 2
    (file,) = tmp_path.glob("pages/*/index.json")
    table = json.loads(file.read_text())
    assert table["float64"]["agreement"]["loss_difference"] <= limits().epoch_losses
    assert all((file.parent / source).is_file() for source in table["float64"]["sources"])
    startup, other = table["figures"]["startup_seconds"]["values"]
    assert 0 < startup < table["figures"]["total_seconds"]["values"][0]
    assert other == 1.5
    runs = [str(file.parent / run["folder"]) for run in table["runs"]]
    assert main(["compare", "--runs", *runs, "--data", "digits", "--pages", str(tmp_path / "pages")]) == 0
    again = json.loads(file.read_text())
    assert again["figures"]["startup_seconds"] == table["figures"]["startup_seconds"]
    assert again["float64"] == table["float64"]


def test_a_training_that_fails_ends_the_comparison(tmp_path, capfd):
    """With what the training said, and nothing else on the error stream."""
    with pytest.raises(DataError, match="'python -m torch_impl train no_such_network': no architecture 'no_such_net"):
        main(["compare", "no_such_network", "--pages", str(tmp_path)])
    assert not list(tmp_path.iterdir())
    assert "error" not in "".join(capfd.readouterr())


def test_a_python_that_is_none_is_refused_before_the_first_training(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "train", lambda *parts: pytest.fail("it trains"))
    argv = ["compare", "lenet5", "--pages", str(tmp_path), "--python", sys.executable, str(tmp_path / "python")]
    with pytest.raises(DataError, match=f"--python {tmp_path}/python: not a program"):
        main(argv)
