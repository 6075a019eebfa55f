"""Every script in `examples/` runs as it is, in a process of its own, and prints what it is there to show."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
PRINTED = {  # patterns of what an example prints; an example without a row must print something
    "carry_weights": [r"before: .* at most \d", r"after: .* at most \d\.\de-0[4-9]\n"],
    "deploy_model": [r"(image\d-of-a-\d\.png(  \d: \d+\.\d%){2}\n){4}", r"onnxruntime alone:( \d){4}\n"],
    "own_graph": [r"19,418 trainable", r"Keras differs from PyTorch by \d", r"\.onnx differs from PyTorch by \d"],
    "train_in_python": [
        r"(evaluated: top-1 (?s:.*)){2}",
        r"equal plan digests in (\d) of \1 epochs",
        r"predictions .* %",
    ],
}


def test_there_are_examples():
    assert {example.stem for example in EXAMPLES} >= PRINTED.keys()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_runs(example, tmp_path):
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "made"
    elsewhere.mkdir()
    command = [sys.executable, str(example), str(folder)]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for pattern in PRINTED.get(example.stem, [r"\S"]):
        assert re.search(pattern, done.stdout), f"no {pattern!r} in:\n{done.stdout}"
    assert list(folder.iterdir())
    assert not list(elsewhere.iterdir()), "it writes outside of the folder that it was given"
