"""A trained PyTorch network as deployed: float32, in evaluation mode."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from netspec import Graph, without_heads
from netspec.compare import Difference
from netspec.init import Weights
from torch_impl.devices import choose_device
from torch_impl.export import export_onnx, ship_onnx
from torch_impl.model import build


class Deployed:
    """The network of `graph` with trained `weights`, without auxiliary heads."""

    def __init__(self, graph: Graph, weights: Weights, threads: int | None = None) -> None:
        self.graph = without_heads(graph)
        self.weights = {name: weights[name] for name in self.graph.params}
        self.device = choose_device("fp32", threads)
        self.model = self.device.place(build(self.graph, weights=self.weights)).eval()

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Logits `(N, classes)` for normalised images `(N, H, W, C)`."""
        with torch.no_grad():
            return self.model(torch.from_numpy(images).permute(0, 3, 1, 2).to(self.device.torch_device)).cpu().numpy()

    def export(self, path: Path, metadata: dict[str, str]) -> Difference:
        """Write the ONNX builder's file and verify it against this model. Raises `ExportError`."""
        return ship_onnx(self.model, path, metadata)

    def export_natively(self, path: Path, metadata: dict[str, str]) -> Difference:
        """Write the file of PyTorch's own exporter and verify it in the same way. Raises `ExportError`."""
        return export_onnx(build(self.graph, weights=self.weights), path, metadata=metadata)
