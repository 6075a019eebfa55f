"""A trained Keras network as deployed: float32, in evaluation mode."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_impl.devices import choose_device
from keras_impl.export import export_onnx, ship_onnx
from keras_impl.kernels import on_tensorflow
from keras_impl.model import build
from netspec import Graph, without_heads
from netspec.compare import Difference
from netspec.init import Weights


class Deployed:
    """The network of `graph` with trained `weights`, without auxiliary heads."""

    def __init__(self, graph: Graph, weights: Weights, threads: int | None = None) -> None:
        self.graph = without_heads(graph)
        self.weights = {name: weights[name] for name in self.graph.params}
        self.device = choose_device("fp32", threads)
        self.model = build(self.graph, weights=self.weights, dtype=self.device.policy)

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Logits `(N, classes)` for normalised images `(N, H, W, C)`."""
        return self.model.predict_on_batch(images)

    def export(self, path: Path, metadata: dict[str, str]) -> Difference:
        """Write the ONNX builder's file and verify it against this model. Raises `ExportError`."""
        return ship_onnx(self.model, path, metadata)

    def export_natively(self, path: Path, metadata: dict[str, str]) -> Difference | None:
        """Write the file of TensorFlow's own exporter and verify it in the same way. Raises `ExportError`.

        Keras on JAX has no exporter.
        """
        return export_onnx(self.model, path, metadata=metadata) if on_tensorflow() else None
