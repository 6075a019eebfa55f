"""Makes a smaller model of a float32 one: 8-bit integers by onnxruntime's quantization, or float16.

Static quantization in the QDQ format: weights per channel in int8, activations in uint8, from the least to the largest
value over the calibration images. onnxruntime folds the batch norms first, and keeps the names of the layers.
"""

import errno
import logging
import os
import platform
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from deploy import runtime
from deploy.errors import first_line
from deploy.files import writing
from diptych.errors import ExportError

LAYERS = ("Conv", "Gemm", "MatMul")
ACCUMULATES = ("avx512_vnni", "avx_vnni")  # flags of x86 processors that add 8-bit products without saturation
Batches = Callable[[], Iterable[NDArray[np.float32]]]


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

    `batches` gives normalised float32 images, `(N, C, H, W)` at a time. Raises `ExportError` for a model that cannot be
    quantized.
    """

    def __init__(self, content: bytes, batches: Batches, folder: Path, *, reduce_range: bool) -> None:
        self.folder, self.batches, self.reduce_range = folder, batches, reduce_range
        self.folded = folder / "folded.onnx"
        self.nodes = list(fold(content, self.folded).graph.node)
        self.layers = [node.name for node in self.nodes if node.op_type in LAYERS]
        if not self.layers:
            raise ExportError("it cannot be quantized: it has no layers with weights")

    def quantized(self, *, only: Sequence[str] = (), without: Sequence[str] = ()) -> ModelProto:
        """The model with all layers quantized, with `only` these, or `without` these, which stay in float32."""
        import onnxruntime
        from onnxruntime import quantization

        target = self.folder / "quantized.onnx"
        try:
            with _quiet():
                quantization.quantize_static(
                    self.folded,
                    target,
                    _reader(self.batches()),
                    quant_format=quantization.QuantFormat.QDQ,
                    per_channel=True,
                    reduce_range=self.reduce_range,
                    activation_type=quantization.QuantType.QUInt8,
                    weight_type=quantization.QuantType.QInt8,
                    nodes_to_quantize=list(only),
                    nodes_to_exclude=list(self.in_float(without)),
                    calibration_cache_path=self.folder / "ranges.json",
                )
        except Exception as error:  # whatever it raises for a graph that it cannot handle
            if "unexpected keyword argument" in str(error):
                raise ExportError(f"onnxruntime {onnxruntime.__version__} is too old to quantize; update it") from None
            raise failure("it cannot be quantized", error, target, self.folded.stat().st_size) from None
        return onnx.load(target)

    def in_float(self, layers: Collection[str]) -> set[str]:
        """The nodes that stay in float32 with these layers: also those without weights that get only their values."""
        kept: set[str] = set()
        made_by: dict[str, str] = {}
        for node in self.nodes:
            sources = [made_by[value] for value in node.input if value in made_by]
            if node.name in layers or (node.op_type not in LAYERS and sources and kept.issuperset(sources)):
                kept.add(node.name)
            made_by.update(dict.fromkeys(node.output, node.name))
        return kept


def halved(content: bytes, folder: Path) -> ModelProto:
    """The model with float16 weights and activations; input and output stay float32. Raises `ExportError`."""
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    folded = fold(content, folder / "folded.onnx")
    try:
        with _quiet():
            model = OnnxModel(convert_float_to_float16(folded, keep_io_types=True))
            model.topological_sort()  # the conversion of the input is appended at the end
    except Exception as error:
        raise failure("it cannot be made float16", error, folder / "half.onnx", len(content)) from None
    return model.model


def largest_value(content: bytes, images: Iterable[NDArray[np.float32]], folder: Path) -> float:
    """The largest magnitude of all values inside a model, for normalised images, one `(1, C, H, W)` at a time."""
    model = fold(content, folder / "folded.onnx")
    del model.graph.output[:]
    names = [name for node in model.graph.node for name in node.output if name]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = runtime.load(model.SerializeToString(), "the model", provider=runtime.CPU)
    found = (value for image in images for value in session.run(None, {"image": image}))
    return max(float(np.abs(value).max()) for value in found if value.dtype == np.float32 and value.size)


def failure(what: str, error: Exception, path: Path, size: int) -> ExportError:
    """The error for a model that cannot be changed.

    Raises `StorageError` if a file of `size` bytes has no room at `path`. onnxruntime calls the model bad in that case.
    """
    with writing(path):
        if shutil.disk_usage(path.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return ExportError(f"{what}: {first_line(error)}")


def fold(content: bytes, path: Path) -> ModelProto:
    """The model as onnxruntime simplifies it with the standard's operators: constants and batch norms folded.

    It is also written to `path`. Every node has a name.
    """
    module = runtime.onnxruntime()
    options = module.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = module.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    try:
        module.InferenceSession(content, options, providers=[runtime.CPU])
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise failure("it cannot be simplified", error, path, len(content)) from None
    model = onnx.load(path)
    if not all(node.name for node in model.graph.node):
        for node in model.graph.node:
            node.name = node.name or next(filter(None, node.output))
        onnx.save(model, path)
    return model


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
