"""Every ONNX file that a trained network can become, as a command judges it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import parity.__main__
from deploy.model import load_model
from diptych.errors import DataError
from onnx_impl.packaging import package
from onnx_impl.quantization import data_of
from short_run import short_run
from trainspec.predictions import read_predictions

EXACT = ("model.onnx", "folded", "PyTorch's export", "TensorFlow's export", "uint8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_run(tmp_path_factory.mktemp("runs"))


def rows(run: Path, out: Path) -> dict[str, list[str]]:
    """The cells of each row of the table, by the file's name."""
    assert parity.__main__.main(["forms", str(run), "--out", str(out)]) == 0
    lines = [line for line in out.read_text().splitlines() if line.startswith("| ")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: rest for name, *rest in cells}


def test_every_float32_file_answers_as_the_training_did(run, tmp_path):
    found = rows(run, tmp_path / "forms.md")
    assert tuple(found)[: len(EXACT)] == EXACT
    assert {found[name][3] for name in EXACT} == {"100.00"}
    assert [name.partition(" ")[0].strip(",") for name in tuple(found)[len(EXACT) :]] == ["float16", "int8", "int8"]
    assert len({name.partition("weights")[0] for name in found if name.startswith("int8")}) == 2
    sizes = {name: int(cells[0].replace(",", "")) for name, cells in found.items()}
    for name in tuple(found)[len(EXACT) :]:  # how many layers stay in float32 depends on the processor that trained
        parts = 1 if "in float32" in name else 2
        assert parts * sizes[name] < sizes["model.onnx"] + 16, name


def test_images_that_are_cut_again_when_they_have_the_size(tmp_path):
    folder = short_run(tmp_path / "runs", "--set", "data.resize=margin", "--seed", "7")
    assert rows(folder, tmp_path / "forms.md")["uint8"][3] == "100.00"
    exported = shutil.copy(folder / "model.onnx", folder / "proof" / "other.onnx")
    model = load_model(exported)
    data = data_of(exported, model.contract, None, False)
    expected = data_of(folder, model.contract, None, False).validation.digest
    assert data.validation.digest == expected
    shipped = package(folder, notice=str) / "model.onnx"
    assert data_of(shipped, model.contract, None, False).validation.digest == expected


def refused(run: Path, out: Path, words: str) -> None:
    with pytest.raises(DataError, match=words):
        parity.__main__.main(["forms", str(run), "--out", str(out)])
    assert not out.exists()


def test_other_answers_than_the_trainings_are_refused(run, tmp_path):
    file, out = run / "predictions-torch.npy", tmp_path / "forms.md"
    kept = file.read_bytes()
    predictions = read_predictions(file)
    try:
        np.save(file, predictions[:-1])
        refused(run, out, "for these images; evaluate the run again: nox -s evaluate_torch")
        np.save(file, (predictions + 1) % 10)
        refused(run, out, "not the answers of the training")
        file.unlink()
        refused(run, out, "predictions-torch.npy")
    finally:
        file.write_bytes(kept)


def test_a_run_that_does_not_say_how_right_it_was_is_refused(run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    facts = json.loads((other / "run.json").read_text())
    del facts["test_top1"]
    (other / "run.json").write_text(json.dumps(facts))
    refused(other, tmp_path / "forms.md", f"^{other}: run.json has no test_top1; it may be .*; train again$")


def test_a_run_that_did_not_end_is_refused(run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    facts = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({**facts, "status": "interrupted"}))
    refused(other, tmp_path / "forms.md", "is interrupted: only a finished run has answers")
