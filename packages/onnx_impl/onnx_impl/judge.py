"""Judges a file by ONNX's own reference evaluator: NumPy alone, sharing no code with any runtime.

Five of its operators are replaced by our own, written from the formulas of the standard:

- BatchNormalization: the evaluator's version for opsets before 14 uses the statistics of the batch;
- LRN: the evaluator's version (onnx 1.23) sums over as many channels as there are images;
- Conv, MaxPool, AveragePool: the evaluator loops over output pixels in Python; ours loop over the kernel's cells.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


def reference_forward(model: ModelProto, images: np.ndarray) -> np.ndarray:
    """Logits `(N, classes)` of images `(N, C, H, W)` under the reference evaluator."""
    logits: np.ndarray = ReferenceEvaluator(model, new_ops=OPS).run(["logits"], {"image": images})[0]
    return logits


class BatchNormalization(OpRun):
    op_domain = ""

    def _run(
        self,
        x: np.ndarray,
        scale: np.ndarray,
        bias: np.ndarray,
        mean: np.ndarray,
        var: np.ndarray,
        epsilon: float | None = None,
        **training: Any,
    ) -> tuple[np.ndarray, ...]:
        column = (-1, *(1,) * (x.ndim - 2))
        scale, bias, mean, var = (part.reshape(column) for part in (scale, bias, mean, var))
        epsilon = 1e-5 if epsilon is None else epsilon
        return ((scale * (x - mean) / np.sqrt(var + epsilon) + bias).astype(x.dtype),)


class LRN(OpRun):
    op_domain = ""

    def _run(self, x: np.ndarray, alpha: float, beta: float, bias: float, size: int) -> tuple[np.ndarray, ...]:
        around = ((0, 0), ((size - 1) // 2, size // 2), (0, 0), (0, 0))
        sums: Any = np.lib.stride_tricks.sliding_window_view(np.pad(x**2, around), size, axis=1).sum(-1)
        return ((x / (bias + alpha / size * sums) ** beta).astype(x.dtype),)


class Conv(OpRun):
    op_domain = ""

    def _run(
        self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, **attributes: Any
    ) -> tuple[np.ndarray, ...]:
        groups, size = attributes.get("group") or 1, weight.shape[2:]
        outputs, inputs = weight.shape[:2]  # of a group
        kernels = np.ascontiguousarray(weight.transpose(0, 2, 3, 1).reshape(groups, outputs // groups, -1))
        maps = []
        for image in x:  # one at a time: the cells of one image fill a matrix of about 100 MB
            cells = np.stack([cells for _, cells in _cells(image[None], size, 0.0, attributes)], 1)
            _, count, _, *shape = cells.shape
            by_group = cells.reshape(count, groups, inputs, -1).swapaxes(0, 1).reshape(groups, count * inputs, -1)
            product = (
                (kernels.swapaxes(1, 2) * by_group).sum(1) if outputs == groups and inputs == 1 else kernels @ by_group
            )
            maps.append(product.reshape(outputs, *shape))
        y = np.stack(maps)
        return ((y if bias is None else y + bias.reshape(-1, 1, 1)).astype(x.dtype),)


class MaxPool(OpRun):
    op_domain = ""

    def _run(self, x: np.ndarray, **attributes: Any) -> tuple[np.ndarray, ...]:
        largest: Any = -np.inf
        for _, cells in _cells(x, attributes["kernel_shape"], -np.inf, attributes):
            largest = np.maximum(largest, cells)
        return (largest.astype(x.dtype),)


class AveragePool(OpRun):
    op_domain = ""

    def _run(self, x: np.ndarray, **attributes: Any) -> tuple[np.ndarray, ...]:
        kernel = attributes["kernel_shape"]
        total: Any = sum(cells for _, cells in _cells(x, kernel, 0.0, attributes))
        inside = np.ones_like(x[:1, :1])
        pad = 1.0 if attributes.get("count_include_pad") else 0.0
        counted: Any = sum(cells for _, cells in _cells(inside, kernel, pad, attributes))
        return ((total / counted).astype(x.dtype),)


OPS = [BatchNormalization, LRN, Conv, MaxPool, AveragePool]


def _cells(
    x: np.ndarray, kernel: Sequence[int], fill: float, attributes: dict[str, Any]
) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """For every cell of a kernel, the values `(N, C, OH, OW)` under it, padding included."""
    unsupported = [key for key in ("auto_pad", "ceil_mode") if attributes.get(key) not in (None, 0, "NOTSET")]
    if unsupported:
        raise NotImplementedError(
            f"{', '.join(unsupported)}: only explicit pads are supported, as the builder writes them"
        )
    top, left, bottom, right = attributes.get("pads") or (0, 0, 0, 0)
    down, across = attributes.get("strides") or (1, 1)
    row_step, column_step = attributes.get("dilations") or (1, 1)
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    rows = padded.shape[2] - (kernel[0] - 1) * row_step  # positions of a kernel's first row
    columns = padded.shape[3] - (kernel[1] - 1) * column_step
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            y, z = row * row_step, column * column_step
            yield (row, column), padded[:, :, y : y + rows : down, z : z + columns : across]
