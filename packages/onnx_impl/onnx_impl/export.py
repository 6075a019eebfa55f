"""The ONNX builder's own road: graph and canonical weights to a verified file."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from netspec import Graph
from netspec.compare import Difference
from netspec.init import Weights
from onnx_impl.model import DEFAULT_OPSET, build
from onnx_impl.verify import write_verified


def export_onnx(
    graph: Graph,
    weights: Weights,
    path: str | os.PathLike[str],
    *,
    opset: int = DEFAULT_OPSET,
    fold_batch_norm: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Difference:
    """Build, verify against ONNX's own NumPy evaluator on the unfolded float32 graph, and write.

    Returns the difference that was found. Raises `ExportError`, and then leaves no file.
    """
    model = build(graph, weights=weights, opset=opset, fold_batch_norm=fold_batch_norm)
    judge = build(graph, weights=weights) if fold_batch_norm else model
    return write_verified(model, graph, lambda images: reference_forward(judge, images), path, metadata or {})


def reference_forward(model: ModelProto, images: np.ndarray) -> np.ndarray:
    """Logits `(N, classes)` under ONNX's reference evaluator, which shares no code with any runtime."""
    logits: np.ndarray = ReferenceEvaluator(model, new_ops=[LRN]).run(["logits"], {"image": images})[0]
    return logits


class LRN(OpRun):
    """The formula of ONNX. onnx's own (1.23) sums neighbours for `range(x.shape[0])`, as many channels as images."""

    op_domain = ""

    def _run(self, x: np.ndarray, alpha: float, beta: float, bias: float, size: int) -> tuple[np.ndarray, ...]:
        around = ((0, 0), ((size - 1) // 2, size // 2), (0, 0), (0, 0))
        sums: Any = np.lib.stride_tricks.sliding_window_view(np.pad(x**2, around), size, axis=1).sum(-1)
        return ((x / (bias + alpha / size * sums) ** beta).astype(x.dtype),)
