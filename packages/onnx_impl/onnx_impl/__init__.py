"""Diptych's networks as ONNX models, built without any framework."""

from typing import TYPE_CHECKING

from netspec.lazy import lazy

if TYPE_CHECKING:
    from onnx_impl.export import export_onnx as export_onnx
    from onnx_impl.model import build as build
    from onnx_impl.weights import get_weights as get_weights, save_weights as save_weights

__all__ = ["build", "export_onnx", "get_weights", "save_weights"]

__getattr__, __dir__ = lazy(
    __name__, export=("export_onnx",), model=("build",), weights=("get_weights", "save_weights")
)
