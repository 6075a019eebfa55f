"""Diptych's networks as ONNX models, built without any framework.

What is public is imported when it is first used, so that a command can refuse a wrong name at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx_impl.export import export_onnx as export_onnx
    from onnx_impl.model import build as build
    from onnx_impl.weights import get_weights as get_weights
    from onnx_impl.weights import save_weights as save_weights

_HOMES = {
    "build": "model",
    "export_onnx": "export",
    "get_weights": "weights",
    "save_weights": "weights",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
