"""Makes a smaller model of a float32 one: 8-bit integers by onnxruntime's quantization, or float16.

Static quantization in the QDQ format: weights per channel in int8, activations in uint8, from the least to the largest
value over the calibration images. onnxruntime folds the batch norms first, and keeps the names of the layers.
"""

import logging
import platform
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from deploy import runtime
from deploy.errors import first_line
from diptych.errors import ExportError

LAYERS = ("Conv", "Gemm", "MatMul")
ACCUMULATES = ("avx512_vnni", "avx_vnni")  # flags of x86 processors that add 8-bit products without saturation
CALIBRATION_BATCH = 32


def needs_reduced_range() -> bool:
    """Whether this processor may saturate sums of 8-bit products, so that weights need 7 bits: x86 before VNNI."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return not any(flag in flags for flag in ACCUMULATES)


class Quantizer:
    """Quantizes one model several times, calibrated once. `layers` are the names of those that have weights.

    `images` are normalised float32 `(N, C, H, W)`. Raises `ExportError` for a model that cannot be quantized.
    """

    def __init__(self, content: bytes, images: NDArray[np.float32], folder: Path, *, reduce_range: bool) -> None:
        self.folder, self.images, self.reduce_range = folder, images, reduce_range
        self.folded = folder / "folded.onnx"
        fold(content, self.folded)
        self.layers = [node.name for node in onnx.load(self.folded).graph.node if node.op_type in LAYERS and node.name]
        if not self.layers:
            raise ExportError("it cannot be quantized: it has no layers with weights")

    def quantized(self, *, only: Sequence[str] = (), without: Sequence[str] = ()) -> ModelProto:
        """The model with all layers quantized, with `only` these, or `without` these, which stay in float32."""
        from onnxruntime import quantization

        target = self.folder / "quantized.onnx"
        starts = range(0, len(self.images), CALIBRATION_BATCH)
        batches = (self.images[start : start + CALIBRATION_BATCH] for start in starts)
        try:
            with _quiet():
                quantization.quantize_static(
                    self.folded,
                    target,
                    _reader(batches),
                    quant_format=quantization.QuantFormat.QDQ,
                    per_channel=True,
                    reduce_range=self.reduce_range,
                    activation_type=quantization.QuantType.QUInt8,
                    weight_type=quantization.QuantType.QInt8,
                    nodes_to_quantize=list(only),
                    nodes_to_exclude=list(without),
                    calibration_cache_path=self.folder / "ranges.json",
                )
        except Exception as error:  # whatever it raises for a graph that it cannot handle
            raise ExportError(f"it cannot be quantized: {first_line(error)}") from None
        return onnx.load(target)


def halved(content: bytes, folder: Path) -> ModelProto:
    """The model with float16 weights and activations; input and output stay float32. Raises `ExportError`."""
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    fold(content, folder / "folded.onnx")
    try:
        with _quiet():
            model = OnnxModel(convert_float_to_float16(onnx.load(folder / "folded.onnx"), keep_io_types=True))
            model.topological_sort()  # the conversion of the input is appended at the end
    except Exception as error:
        raise ExportError(f"it cannot be made float16: {first_line(error)}") from None
    return model.model


def fold(content: bytes, path: Path) -> None:
    """Write the model as onnxruntime simplifies it with the standard's operators: constants and batch norms folded."""
    module = runtime.onnxruntime()
    options = module.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = module.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    try:
        module.InferenceSession(content, options, providers=[runtime.CPU])
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise ExportError(f"it cannot be simplified: {first_line(error)}") from None


def _reader(batches: Iterable[NDArray[np.float32]]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter(batches)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"image": batch}

    return Reader()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice that onnxruntime logs to the root logger."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
