"""A small network for the digits that says all that quantization needs, as an ONNX file."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.inspection import inspect
from netspec import functional as f, trace
from onnx_impl import export_onnx
from onnx_impl.judging import Judge
from onnx_impl.measure import probe
from onnx_impl.presets import PRESETS
from onnx_impl.turns import Ratio

FAST = Ratio(0.5, 0.4, 0.6)


def write_model(folder: Path) -> Path:
    """Export the network, with weights that were not trained."""

    def network(x):
        x = f.conv_bn(x, 8, 3, 2, name="conv1")
        x = f.add(f.conv_bn(x, 8, 3, name="conv2"), x)
        return f.linear(f.flatten(f.max_pool(x, 2, 2)), 10, name="fc")

    graph = trace("small", (3, 16, 16), network)
    metadata = {
        "classes": json.dumps([str(number) for number in range(10)]),
        "mean": json.dumps(PRESETS["cifar10"].mean),
        "std": json.dumps(PRESETS["cifar10"].std),
        "resize_rule": "shorter side to size, bilinear with antialiasing, centre crop",
        "data": "UCI optical digits (embedded)",
    }
    export_onnx(graph, probe(graph), folder / "model.onnx", metadata=metadata)
    return folder / "model.onnx"


def be_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The speed of a small network on a busy machine says nothing."""
    monkeypatch.setattr(Judge, "speed", lambda *arguments: FAST)


def facts_in(path: Path) -> dict[str, Any]:
    return json.loads(inspect(path.read_bytes(), path).contract.compression)
