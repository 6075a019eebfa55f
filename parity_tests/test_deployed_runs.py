"""A run's folder in place of a model: only of a run that reached its end."""

import json
import os

import pytest

from deploy.errors import ModelError
from deploy.model import load_model
from deploy.runs import check_finished
from trainspec.runs.lock import RunLock


@pytest.mark.parametrize("status", ["running", "interrupted", "failed", "killed", None, 3, ["finished"]])
def test_an_unfinished_run_is_refused(tmp_path, status):
    (tmp_path / "run.json").write_text(json.dumps({"status": status}))
    with pytest.raises(ModelError, match=r"this run is not finished .*give .*model\.onnx"):
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


def test_no_file_is_waited_for(tmp_path):
    check_finished(tmp_path)
    os.mkfifo(tmp_path / "run.json")
    check_finished(tmp_path)
