"""Exports a graph with canonical weights to a verified file, for a run and for `onnx_impl export`."""

import os
from collections.abc import Mapping
from functools import partial

import numpy as np

from deploy.arguments import checked
from netspec import Graph
from netspec.compare import Difference
from onnx_impl.judge import reference_forward
from onnx_impl.model import DEFAULT_OPSET, build
from onnx_impl.verify import Forward, write_verified


@checked
def export_onnx(
    graph: Graph,
    weights: Mapping[str, np.ndarray],
    path: str | os.PathLike[str],
    *,
    opset: int = DEFAULT_OPSET,
    fold_batch_norm: bool = False,
    forward: Forward | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Difference:
    """Build, verify against `forward`, and write.

    `forward` turns float32 `(N, C, H, W)` into logits `(N, classes)`. The default is ONNX's own NumPy evaluator on the
    unfolded float32 graph. Returns the difference found. Raises `ExportError`, and then leaves no file.
    """
    model = build(graph, weights=weights, opset=opset, fold_batch_norm=fold_batch_norm)
    if forward is None:
        forward = partial(reference_forward, build(graph, weights=weights) if fold_batch_norm else model)
    return write_verified(model, graph, forward, path, metadata or {})
