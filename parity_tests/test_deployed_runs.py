"""A run's folder in place of a model: only of a run that reached its end."""

import json
import os

import pytest
from PIL import Image

from deploy.errors import ModelError
from deploy.model import load_model
from deploy.runs import check_finished
from onnx_impl.__main__ import main as onnx_main
from trainspec.runs.lock import RunLock


@pytest.mark.parametrize("status", ["running", "interrupted", "failed", "killed", None, 3, ["finished"]])
def test_an_unfinished_run_is_refused(tmp_path, status):
    (tmp_path / "run.json").write_text(json.dumps({"status": status}))
    with pytest.raises(ModelError, match="this run is not finished .*give --unfinished"):
        check_finished(tmp_path)


@pytest.mark.parametrize("text", ['{"status": "finished"}', "", "[]", "3", "{}", "[" * 50_000, "9" * 5000])
def test_what_says_nothing_is_let_through(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    check_finished(tmp_path)


def test_a_killed_run_is_told_from_one_that_runs(tmp_path):
    (tmp_path / "run.json").write_text('{"status": "running"}')
    with pytest.raises(ModelError, match="'killed'"):
        check_finished(tmp_path)
    lock = RunLock(tmp_path)
    with pytest.raises(ModelError, match="'running'"):
        load_model(tmp_path)
    lock.release()


def test_the_model_of_an_unfinished_run_is_taken_when_asked(tmp_path, capsys):
    """By its own name as by the folder's, and never without the question."""
    from deploy.__main__ import main

    model = tmp_path / "model.onnx"
    export = ["export", "lenet5", "--preset", "cifar10", "--out", str(model)]
    onnx_main(export)
    (tmp_path / "run.json").write_text('{"status": "interrupted"}')
    Image.new("RGB", (9, 9)).save(tmp_path / "image.png")
    (tmp_path / "proof").mkdir()
    (tmp_path / "proof" / "torch.onnx").write_bytes(model.read_bytes())
    for path in (tmp_path, model, tmp_path / "proof" / "torch.onnx"):
        with pytest.raises(ModelError, match="not finished"):
            main(["predict", str(path), str(tmp_path / "image.png")])
        main(["predict", str(path), str(tmp_path / "image.png"), "--unfinished"])
        assert "may come from an unfinished training" in capsys.readouterr().out


def test_no_file_is_waited_for(tmp_path):
    check_finished(tmp_path)
    os.mkfifo(tmp_path / "run.json")
    check_finished(tmp_path)
