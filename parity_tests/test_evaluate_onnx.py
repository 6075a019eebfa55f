"""`onnx_impl evaluate`: the scores of an ONNX file over a test split, as `deploy evaluate` shows them."""

import json

import numpy as np
import pytest

import onnx_impl
from deploy.errors import ModelError, StorageError
from digits_model import write_model
from onnx_impl.__main__ import main


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"))


def test_it_says_on_what_it_runs_and_writes_the_scores(model, tmp_path, capsys):
    main(["evaluate", str(model), "--threads", "1", "--provider", "cpu", "--out", str(tmp_path / "out")])
    _, top1, running, *_ = capsys.readouterr().out.splitlines()
    assert running == f"{model}: CPUExecutionProvider, 1 thread"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "confusion.csv", "confusion.png", "scores.json",
    ]  # fmt: skip
    facts = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert (facts["provider"], facts["threads"], facts["images"]) == ("CPUExecutionProvider", 1, 360)
    assert (facts["data"], facts["split"], facts["tta"]) == ("UCI optical digits (embedded)", "test", "none")
    assert top1.startswith(f"top-1 {facts['top1']:.2f} % of 360 images")


def test_json_is_one_line_and_the_predictions_are_saved(model, tmp_path, capsys):
    saved = tmp_path / "p.npy"
    main(["evaluate", str(model), "--json", "--data", "digits", "--tta", "mirror", "--predictions", str(saved)])
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert (facts["model"], facts["data"], facts["tta"]) == (str(model), "digits", "mirror")
    assert "top-1" in said.err
    assert len(np.load(saved)) == facts["images"]
    assert "against" not in facts


def test_json_says_how_many_predictions_are_equal(model, tmp_path, capsys):
    other, answers = tmp_path / "other.npy", onnx_impl.evaluate(model).predictions
    np.save(other, np.where(np.arange(360) < 90, (answers + 1) % 10, answers))
    capsys.readouterr()
    main(["evaluate", str(model), "--json", "--against", str(other), "--predictions", str(tmp_path / "p.npy")])
    facts = json.loads(capsys.readouterr().out)
    assert (facts["against"], facts["equal_predictions_percent"]) == (str(other), 75.0)


def test_a_provider_and_threads_in_python(model):
    assert onnx_impl.evaluate(model, threads=1, provider="cpu").scores.images == 360
    with pytest.raises(ModelError, match="no provider 'warp'"):
        onnx_impl.evaluate(model, provider="warp")
    with pytest.raises(ModelError, match="give 1 to 1024"):
        onnx_impl.evaluate(model, threads=0)


def test_scores_are_not_written_among_the_images(model, tmp_path):
    with pytest.raises(StorageError, match="is in the folder of the data"):
        main(["evaluate", str(model), "--data", str(tmp_path), "--out", str(tmp_path / "out")])
