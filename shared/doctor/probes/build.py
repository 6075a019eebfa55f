"""A small network, built as an ONNX file without a framework and verified."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from doctor.probes import answer
from doctor.probes.libraries import loaded


def build() -> dict[str, Any]:
    """Build and verify. Raises whatever is wrong with onnx or onnxruntime."""
    import onnx

    from doctor.probes.network import small
    from netspec import initial_weights
    from onnx_impl import export_onnx

    begin, graph = time.monotonic(), small()
    with TemporaryDirectory() as folder:
        difference = export_onnx(graph, initial_weights(graph), Path(folder) / "model.onnx")
    return {
        "did": f"onnx {onnx.__version__} built and verified a graph",
        "seconds": time.monotonic() - begin,
        "device": "CPU",
        "on_gpu": False,
        "export_difference": difference.value,
        "libraries": loaded(),
    }


if __name__ == "__main__":
    answer(build)
