"""Two identical trainings leave equal files, byte for byte, but for what tells when, where and how fast they ran."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

TIMES = {"started", "peak_memory", "command", "images_per_second", "train_seconds", "seconds", "data_wait_seconds"}
TIMES |= {"data_wait_percent", "checkpoint_seconds"}


def train(framework: str, network: str, out: Path, hash_seed: int) -> dict[str, bytes]:
    """The files of a training in a process of its own, without times; `hash_seed` orders Python's sets otherwise."""
    command = [sys.executable, "-m", f"{framework}_impl", "train", network, "--data", "digits", "--epochs", "1"]
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    subprocess.run([*command, "--out", out], env=environment, check=True, capture_output=True)
    (folder,) = out.iterdir()
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    for name in [name for name in files if name.startswith("checkpoints/") and name.endswith(".json")]:
        del files[name]  # it has what run.json and metrics.jsonl have, and a hash of that
    files["run.json"] = timeless([json.loads(files["run.json"])])
    files["metrics.jsonl"] = timeless(map(json.loads, files["metrics.jsonl"].splitlines()))
    files["metrics.csv"] = timeless(csv.DictReader(files["metrics.csv"].decode().splitlines()))
    return files


def timeless(entries: Iterable[dict[str, Any]]) -> bytes:
    return repr([{key: value for key, value in entry.items() if key not in TIMES} for entry in entries]).encode()


def compare(framework: str, network: str, folder: Path) -> None:
    one, other = (train(framework, network, folder / str(seed), seed) for seed in (1, 2))
    assert one.keys() == other.keys()
    assert {"weights.safetensors", "model.onnx", "curves.png", "graph.json", f"proof/{framework}.onnx"} <= one.keys()
    assert [name for name in one if one[name] != other[name]] == []


def test_two_trainings_in_pytorch(tmp_path):
    compare("torch", "lenet5", tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("network", ["resnet20", "nin"])
@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_two_trainings(framework, network, tmp_path):
    compare(framework, network, tmp_path)
