"""The ONNX builder's own road: graph and canonical weights to a verified file."""

import os
from collections.abc import Mapping

from netspec import Graph
from netspec.compare import Difference
from netspec.init import Weights
from onnx_impl.judge import reference_forward
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
