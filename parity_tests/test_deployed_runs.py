"""A run's folder in place of a model: only of a run that reached its end."""

import json
import os

import pytest

from deploy.errors import ModelError
from deploy.runs import check_finished


@pytest.mark.parametrize("status", ["running", "interrupted", "failed", "killed", None, 3, ["finished"]])
def test_an_unfinished_run_is_refused(tmp_path, status):
    (tmp_path / "run.json").write_text(json.dumps({"status": status}))
    with pytest.raises(ModelError, match=r"this run is not finished .*give .*model\.onnx"):
        check_finished(tmp_path)


@pytest.mark.parametrize("text", ['{"status": "finished"}', "", "[]", "3", "{}", "[" * 50_000, "9" * 5000])
def test_what_says_nothing_is_let_through(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    check_finished(tmp_path)


def test_no_file_is_waited_for(tmp_path):
    check_finished(tmp_path)
    os.mkfifo(tmp_path / "run.json")
    check_finished(tmp_path)
