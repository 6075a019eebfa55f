"""`python -m parity compare ARCH`: the trainings that it starts."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import keras_impl.__main__
import torch_impl.__main__
from compared import NUMBER, Text, changed
from diptych.errors import DataError
from netspec.compare import limits
from parity.__main__ import main
from parity.compare import command, latency
from parity.compare.training import Trained, train
from short_run import short_run

TRAIN = "lenet5 --data digits --epochs 1 --precision fp32 --out"
COMMANDS = {"torch": torch_impl.__main__.main, "keras": keras_impl.__main__.main}


def test_both_frameworks_are_trained(tmp_path, monkeypatch):
    """One is trained by its command, the others in this process, by the same command line.

    The runs are float32, so that only a short training in float64 is added.
    """
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
    assert main(["compare", *arguments, "--pages", str(tmp_path / "pages")]) == 0
    assert started == [*COMMANDS] * 2
    (file,) = tmp_path.glob("pages/*/index.json")
    table = json.loads(file.read_text())
    assert table["float64"]["agreement"]["loss_difference"] <= limits().epoch_losses
    assert table["float64"]["steps"] == command.STEPS
    assert all((file.parent / folder / "run.json").is_file() for folder in table["float64"]["folders"])
    assert "float32" not in table
    startup, other = table["figures"]["startup_seconds"]["values"]
    assert 0 < startup < table["figures"]["total_seconds"]["values"][0]
    assert other == 1.5
    runs = [str(file.parent / run["folder"]) for run in table["runs"]]
    assert main(["compare", "--runs", *runs, "--data", "digits", "--pages", str(tmp_path / "pages")]) == 0
    again = json.loads(file.read_text())
    assert again["figures"]["startup_seconds"] == table["figures"]["startup_seconds"]
    assert again["float64"] == table["float64"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    return short_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def asked(trained, tmp_path, monkeypatch) -> list[list[str]]:
    """What trainings are asked for. Each gives a copy of one run, in bfloat16 if no precision was asked for."""
    found: list[list[str]] = []

    def copied(framework, arguments, python):
        found.append(list(arguments))
        parser = argparse.ArgumentParser()
        parser.add_argument("--precision", default="bf16")
        parser.add_argument("--out", type=Path, default=tmp_path / "runs")
        options, _ = parser.parse_known_args(arguments)
        run = changed(trained, options.out / framework, framework=framework, precision=options.precision)
        if (framework, options.precision) == ("keras", "fp32"):
            weights = load_file(run / "weights.safetensors")
            save_file({name: values * np.float32(1.5) for name, values in weights.items()}, run / "weights.safetensors")
            (run / "model.onnx").unlink()
        return Trained(run, "a command", 1.5, 2.5)

    monkeypatch.setattr(command, "train", copied)
    monkeypatch.setattr(latency, "SECONDS", 0.01)
    return found


def test_what_is_rounding_is_shown_for_runs_in_bfloat16(asked, tmp_path):
    """A short training in float32 and one in float64, with all options that do not say how long it is."""
    assert main(["compare", "lenet5", "--epochs", "5", "--seed", "1", "--pages", str(tmp_path / "pages")]) == 0
    (file,) = tmp_path.glob("pages/*/index.json")
    length = str(command._short_epochs({"epochs": 1, "steps": 20}))
    assert asked == [["lenet5", "--epochs", "5", "--seed", "1"]] * 2 + [
        [*("lenet5", "--seed", "1", "--epochs", length), "--precision", precision, "--out", str(file.parent / name)]
        for name, precision in command.PRECISIONS.items()
        for _ in COMMANDS
    ]
    table, page = json.loads(file.read_text()), file.with_name("index.html").read_text()
    assert {round(value, 6) for value in table["float32"]["agreement"]["drift"].values()} == {0.5}
    assert set(table["float64"]["agreement"]["drift"].values()) == {0}
    assert table["float32"]["steps"] == table["float64"]["steps"] == 20
    for label in ("B Keras, bf16, 20 steps", "float32, 20 steps", "float64, 20 steps"):
        assert f">{label}</text>" in page
    text = " ".join(" ".join(Text(page).parts).split())
    assert "float32, weights differ by" in text
    assert "float64, weights are equal after 20 steps" in text
    assert not NUMBER.findall(Text(page).unlinked["Do the runs stay together?"])


def test_short_trainings_can_be_left_out(asked, tmp_path):
    assert main(["compare", "lenet5", "--no-float64", "--pages", str(tmp_path / "pages")]) == 0
    assert asked == [["lenet5"]] * 2
    (file,) = tmp_path.glob("pages/*/index.json")
    assert "drift of the weights in float64: no short training was made" in json.loads(file.read_text())["missing"]


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
