"""Diptych's networks as ONNX models, built without any framework."""

from typing import TYPE_CHECKING

from deploy import __version__ as __version__
from deploy.lazy import lazy

if TYPE_CHECKING:
    from onnx_impl.evaluation import evaluate as evaluate
    from onnx_impl.export import export_onnx as export_onnx
    from onnx_impl.model import build as build
    from onnx_impl.packaging import package as package
    from onnx_impl.quantization import quantize as quantize
    from onnx_impl.weights import get_weights as get_weights, save_weights as save_weights

__all__ = ["build", "evaluate", "export_onnx", "get_weights", "package", "quantize", "save_weights"]

__getattr__, __dir__ = lazy(
    __name__,
    evaluation=("evaluate",),
    export=("export_onnx",),
    model=("build",),
    packaging=("package",),
    quantization=("quantize",),
    weights=("get_weights", "save_weights"),
)
