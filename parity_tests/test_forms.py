"""Every ONNX file that a trained network can become, as a command judges it."""

from pathlib import Path

import numpy as np
import pytest

import parity.__main__
import torch_impl.__main__
from diptych.errors import DataError
from trainspec.evaluation import read_predictions

EXACT = ("model.onnx", "folded", "PyTorch's export", "TensorFlow's export", "uint8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    torch_impl.__main__.main(f"train lenet5 --data digits --epochs 1 --out {out}".split())
    (folder,) = out.iterdir()
    return folder


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
    assert all(2 * size < sizes["model.onnx"] + 16 for name, size in sizes.items() if name not in EXACT)


def test_another_answer_is_seen(run, tmp_path):
    file = run / "predictions-torch.npy"
    kept = file.read_bytes()
    predictions = read_predictions(file)
    predictions[:36] = (predictions[:36] + 1) % 10
    np.save(file, predictions)
    assert {cells[3] for name, cells in rows(run, tmp_path / "forms.md").items() if name in EXACT} == {"90.00"}
    file.unlink()
    with pytest.raises(DataError, match="predictions-torch.npy"):
        parity.__main__.main(["forms", str(run), "--out", str(tmp_path / "none.md")])
    file.write_bytes(kept)
    assert not (tmp_path / "none.md").exists()
