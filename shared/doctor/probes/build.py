"""A small network, built as an ONNX file without a framework and verified."""

import time
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from doctor.probes import answer
from doctor.probes.libraries import loaded


def build() -> dict[str, Any]:
    """Build and verify. Raises whatever is wrong with onnx or onnxruntime."""
    from diptych.machine import describe_versions
    from doctor.probes.network import small
    from netspec import initial_weights

    builder = import_module("onnx_impl")  # the one package of this environment beside those that all have
    begin, graph = time.monotonic(), small()
    with TemporaryDirectory() as folder:
        difference = builder.export_onnx(graph, initial_weights(graph), Path(folder) / "model.onnx")
    return {
        "did": f"onnx {describe_versions(('onnx',))['onnx']} built and verified a graph",
        "seconds": time.monotonic() - begin,
        "device": "CPU",
        "on_gpu": False,
        "export_difference": difference.value,
        "libraries": loaded(),
    }


if __name__ == "__main__":
    answer(build)
