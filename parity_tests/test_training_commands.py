"""The whole road by its commands: train, evaluate; from the same bits on the same batches in both frameworks."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import onnx
import pytest
from event_files import events_in, figures_of
from samples import class_files, write_folder

import keras_impl.__main__
import onnx_impl.__main__
import torch_impl.__main__
from deploy.shell import Stopped
from diptych import stopping
from diptych.errors import DataError, DiptychError, GraphError
from trainspec.agreement import compare_runs
from trainspec.runs import EpochMetrics
from trainspec.state import TrainState
from trainspec.watch import Watch

EXPORTERS = {
    "torch": torch_impl.__main__.main,
    "keras": keras_impl.__main__.main,
    "onnx": onnx_impl.__main__.main,
}
COMMANDS = {"torch": torch_impl.__main__.main, "keras": keras_impl.__main__.main}
TRAIN = (
    "train lenet5 --data digits --epochs 1 --precision fp64 --set augmentation.flip=true --set evaluation.tta=mirror "
    "--tensorboard --out"
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """One epoch on the digits, by each framework."""
    found = {}
    for framework, command in COMMANDS.items():
        out = tmp_path_factory.mktemp(framework)
        command([*TRAIN.split(), str(out)])
        (found[framework],) = out.iterdir()
    return found


def test_a_training_answers_programs(tmp_path, capsys):
    COMMANDS["torch"](["train", "lenet5", "--data", "digits", "--epochs", "0.1", "--json", "--out", str(tmp_path)])
    said = capsys.readouterr()
    answer = json.loads(said.out)
    facts = json.loads((Path(answer["run"]) / "run.json").read_text())
    assert answer["status"] == facts["status"] == "finished"
    assert answer["figures"]["test_top1"] == facts["test_top1"]
    assert "done " in said.err


@pytest.mark.parametrize("where", [TrainState.record, Watch.begin], ids=["after a step", "before the first step"])
def test_a_training_that_is_stopped_answers_programs(where, tmp_path, capsys, monkeypatch):
    def stop(self, *values):
        where(self, *values)
        stopping._asked = signal.SIGTERM

    owner = TrainState if where is TrainState.record else Watch
    monkeypatch.setattr(owner, where.__name__, stop)
    with pytest.raises(Stopped):
        COMMANDS["torch"](["train", "lenet5", "--data", "digits", "--json", "--out", str(tmp_path)])
    said = capsys.readouterr().out
    if owner is Watch:
        assert (said, list(tmp_path.iterdir())) == ("", [])
        return
    (folder,) = tmp_path.iterdir()
    answer = json.loads(said)
    assert (answer["run"], answer["status"], answer["figures"]["steps"]) == (str(folder), "interrupted", 1)


def test_run_folders_are_complete(runs):
    for framework, folder in runs.items():
        facts = json.loads((folder / "run.json").read_text())
        assert facts["status"] == "finished"
        assert (facts["precision"], facts["deterministic"]) == ("fp64", True)
        assert {"test_top1", "images_per_second", "train_seconds"} <= facts.keys()
        assert {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} == {
            "curves.png",
            "curves.svg",
            "graph.json",
            "metrics.csv",
            "metrics.jsonl",
            "model.onnx",
            f"predictions-{framework}.npy",
            f"proof/{framework}.onnx",
            "proof/certificate.json",
            "recipe.toml",
            "run.json",
            "weights.safetensors",
            f"checkpoints/step-{facts['steps']}.json",
            f"checkpoints/step-{facts['steps']}.safetensors",
            *(f"tensorboard/{file.name}" for file in (folder / "tensorboard").iterdir()),
        }


def measured(line: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in line.items() if isinstance(value, int | float)}


def test_tensorboard_has_the_figures_of_the_other_files(runs):
    names = []
    for folder in runs.values():
        (file,) = (folder / "tensorboard").iterdir()
        first, *events = events_in(file)
        assert first.file_version == "brain.Event:2"
        read = [figures_of(event) for event in events]
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        epochs = [(line.pop("step"), measured(line)) for line in lines]
        facts = json.loads((folder / "run.json").read_text())
        tested = {key: value for key, value in facts.items() if key.startswith("test_")}
        assert "test_top1_tta" in tested
        expected = [*epochs, (epochs[-1][0], tested)]
        assert read == [
            (step, {name: float(np.float32(figure)) for name, figure in figures.items()}) for step, figures in expected
        ]
        names.append([sorted(figures) for _, figures in read])
        assert (folder / "metrics.csv").read_text().splitlines()[0].split(",") == [
            field.name for field in fields(EpochMetrics)
        ]
    assert names[0] == names[1]


def test_float64_runs_end_at_the_same_network(runs):
    report = "\n".join(compare_runs(runs["torch"], runs["keras"]))
    assert "equal plan digests in 1 of 1 epochs" in report
    assert "agree on 100.000 % of 360 test images" in report


@pytest.mark.parametrize("framework", COMMANDS)
def test_every_evaluation_takes_the_same_views(runs, framework, tmp_path, capsys):
    folder, said = runs[framework], []
    for command, argv in (
        (COMMANDS[framework], ["evaluate", str(folder)]),
        (onnx_impl.__main__.main, ["evaluate", str(folder / "model.onnx"), "--data", "digits"]),
    ):
        for tta in ("mirror", "mirror_shift"):
            file = tmp_path / f"{tta}-{len(said)}.npy"
            command([*argv, "--tta", tta, "--predictions", str(file)])
            said.append((capsys.readouterr().out, np.load(file)))
    for (own, mine), (other, theirs) in zip(said[:2], said[2:], strict=True):
        figures = next(line for line in other.splitlines() if line.startswith("top-1"))
        assert own.splitlines()[-1].partition(", loss")[0] == figures.partition(", loss")[0]
        assert own.endswith("views\n")
        assert np.array_equal(mine, theirs)
    recorded = json.loads((folder / "run.json").read_text())
    assert f"top-1 {recorded['test_top1_tta']:.2f} %" in said[0][0]
    assert recorded["test_loss_tta"] != recorded["test_loss"]


@pytest.mark.parametrize("framework", COMMANDS)
def test_every_evaluation_predicts_the_same(runs, framework, tmp_path, capsys):
    folder = runs[framework]
    own = folder / f"predictions-{framework}.npy"
    models = [folder / "model.onnx", folder / f"proof/{framework}.onnx"]
    evaluations: list[tuple[Callable[[list[str]], None], list[str]]] = [
        (COMMANDS[framework], ["evaluate", str(folder)]),
        *((onnx_impl.__main__.main, ["evaluate", str(model), "--data", "digits"]) for model in models),
    ]
    for number, (command, argv) in enumerate(evaluations):
        mine = tmp_path / f"{number}.npy"
        command([*argv, "--against", str(own), "--predictions", str(mine)])
        assert "on 100.000 % of the images" in capsys.readouterr().out
        assert np.array_equal(np.load(mine), np.load(own))


@pytest.mark.parametrize("framework", EXPORTERS)
def test_a_run_is_exported_with_what_it_says_of_itself(runs, framework, tmp_path, capsys):
    folder, out = runs["torch"], tmp_path / "again.onnx"
    EXPORTERS[framework](["export", str(folder), "--out", str(out)])
    onnx_impl.__main__.main(
        ["evaluate", str(out), "--data", "digits", "--against", str(folder / "predictions-torch.npy")]
    )
    assert "on 100.000 % of the images" in capsys.readouterr().out
    said = [
        {entry.key: entry.value for entry in onnx.load(path).metadata_props} for path in (folder / "model.onnx", out)
    ]
    for metadata in said:
        del metadata["content_sha256"]  # of all bytes: another graph has another
    assert said[0] == said[1]


def test_a_run_has_weights_and_a_form_of_its_own(runs, tmp_path):
    run = str(runs["torch"])
    for argv, message in (
        (["--weights", "w.safetensors"], "weights of its own"),
        (["--num-classes", "3"], "cannot be changed"),
    ):
        with pytest.raises(DiptychError, match=message):
            onnx_impl.__main__.main(["export", run, *argv])
    with pytest.raises(DataError, match="not the folder of a run"):
        onnx_impl.__main__.main(["export", str(tmp_path)])


def test_a_run_whose_graph_is_no_text(runs, tmp_path):
    broken = shutil.copytree(runs["torch"], tmp_path / "broken")
    (broken / "graph.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(GraphError, match=r"graph\.json is not JSON"):
        torch_impl.__main__.main(["evaluate", str(broken)])


EVALUATIONS = COMMANDS | {"onnx": onnx_impl.__main__.main}


@pytest.mark.parametrize("framework", EVALUATIONS)
def test_every_evaluation_holds_data_to_the_run(runs, framework, tmp_path, capsys):
    source = runs["torch"] / "model.onnx" if framework == "onnx" else runs["torch"]
    for classes, words in (("ab", "has 10 classes, but other has 2"), ("012345678x", "'x' where it has '9'")):
        other = write_folder(tmp_path / classes / "other", class_files(classes))
        with pytest.raises(DataError, match=words):
            EVALUATIONS[framework](["evaluate", str(source), "--data", str(other)])
    other = write_folder(tmp_path / "same" / "other", class_files("0123456789"))
    against = ["--against", str(runs["torch"] / "predictions-torch.npy")]
    with pytest.raises(DataError, match="predictions of 360 images, but 10 are evaluated"):
        EVALUATIONS[framework](["evaluate", str(source), "--data", str(other), *against])
    mine = ["--predictions", str(tmp_path / "mine.npy")]
    EVALUATIONS[framework](["evaluate", str(source), "--data", str(other), *mine])
    assert "which are not those that" in capsys.readouterr().out


def test_what_cannot_be_used_leaves_nothing(tmp_path):
    for argv in (
        "train vgg20",
        "train lenet5 --data digits --set optimizer.momentun=0.5",
        "train lenet5 --data digits --precision fp12",
        "train lenet5 --data nowhere/at/all",
        "train lenet5 --data digits --weights none.safetensors",
    ):
        for command in COMMANDS.values():
            with pytest.raises(DiptychError):
                command([*argv.split(), "--out", str(tmp_path / "runs")])
    assert not (tmp_path / "runs").exists()
