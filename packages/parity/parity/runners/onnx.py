"""Runs a network as ONNX under onnxruntime."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from deploy.errors import first_line
from diptych.errors import ExportError
from netspec import Graph, Node
from netspec.init import Weights
from parity.runners.runner import Feeds, Runner, sizes, sizes_of


class OnnxRunner:
    """The ONNX builder's graph under onnxruntime, float32 on the CPU."""

    name = "onnx"

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray]) -> None:
        self.graph, self.given = graph, weights

    @cached_property
    def model(self) -> Any:
        import onnx_impl

        return onnx_impl.build(self.graph, weights=self.given)

    @staticmethod
    def count(network: Graph, node: Node) -> tuple[int, int]:
        """Trainable and total of the initializers that a layer's nodes read. None is made; the sizes are the spec's."""
        from onnx_impl.emit import Emit
        from onnx_impl.model import DEFAULT_OPSET
        from onnx_impl.ops import HANDLERS

        emit = Emit(network, node, np.dtype(np.float32), DEFAULT_OPSET)
        HANDLERS[node.op.kind](node.op, emit)
        read = {name for part in emit.nodes for name in part.input if name in network.params}
        return sizes_of([network.params[name] for name in read])

    def num_params(self) -> tuple[int, int]:
        params = self.graph.params
        held = {tensor.name: tensor.dims for tensor in self.model.graph.initializer if tensor.name in params}
        return sizes([dims for name, dims in held.items() if params[name].trainable], held.values())

    def forward(self, feeds: Feeds) -> np.ndarray:
        return run_onnx(self.model, feeds)["logits"]

    def values(self, feeds: Feeds) -> Weights:
        import onnx_impl

        return run_onnx(onnx_impl.build(self.graph, weights=self.given, every_node=True), feeds)


def native_logits(runner: Runner, feeds: Feeds) -> np.ndarray:
    """Logits of the framework's own export under onnxruntime. Raises `ExportError` if that fails."""
    try:
        return run_onnx(runner.native_onnx(), feeds)["logits"]
    except Exception as error:  # exporters and runtimes may raise anything; here it is a finding
        raise ExportError(f"the export of {runner.name} fails: {first_line(error)}") from error


def run_onnx(model: Any, feeds: Feeds) -> Weights:
    """Outputs of a `ModelProto` under onnxruntime."""
    from onnx_impl.verify import run

    return run(model, {name: np.asarray(array, np.float32) for name, array in feeds.items()})
