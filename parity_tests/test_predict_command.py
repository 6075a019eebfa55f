"""`deploy predict`: answers for runs, folders and images, one line for a mistake, and nothing left behind."""

import json
import os
import subprocess
import sys

import pytest

from onnx_impl import build
from onnx_impl.measure import probe
from tiny_classifier import contract, network, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("given"))


def predict(folder, *argv, **environment):
    kept = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    argv = [sys.executable, "-m", "deploy", "predict", *map(str, argv)]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, env=kept | environment)


def test_after_a_prediction_an_empty_home_is_still_empty(folder, tmp_path):
    """A file without a hash, so that the child is looked at too."""
    graph, home = network(), tmp_path / "home"
    home.mkdir()
    model = build(graph, weights=probe(graph), metadata=contract().properties())
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    caches = dict.fromkeys(("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"), "")
    done = predict(folder, tmp_path / "m.onnx", "images", HOME=str(home), **caches)
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []


def test_the_command_takes_runs_folders_and_webp(folder):
    done = predict(folder, "run", "images", "images/one.png", "--top", "2", "--threads", "1", "--provider", "cpu")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "run: CPUExecutionProvider"
    assert lines[1].startswith("note: left out of the folders, since they are not images: 1")
    named = ["images/deep/er/two.webp", "images/one.png", "images/one.png"]
    assert [line for line in lines[2:] if not line.startswith("  ")] == named
    assert len(lines) == 2 + 3 * 3
    answer = json.loads(predict(folder, "run", "images", "--json").stdout)
    assert answer["provider"] == "CPUExecutionProvider"
    assert [image["image"] for image in answer["images"]] == named[:2]
    assert all(sum(each["probability"] for each in image["predictions"]) > 0.999 for image in answer["images"])


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "images/one.png", "images/none.png"], ["run", "images/notes.txt"], ["run", "run"], ["images", "images"],
        ["run", "images", "--top", "0"], ["run", "images", "--threads", "0"], ["run", "images", "--provider", "cuda"],
        ["run", "x" * 300], ["run/model.onnx/x", "images"], ["run"], ["run", "images", "--top", "many"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_mistake_is_one_line_before_any_answer(folder, argv):
    done = predict(folder, *argv)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")
