"""Diptych's networks in PyTorch.

What is public is imported when it is first used, so that a command can refuse a wrong
name before it has loaded a framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch_impl.export import export_onnx as export_onnx
    from torch_impl.model import build as build
    from torch_impl.weights import (
        get_weights as get_weights,
    )
    from torch_impl.weights import (
        load_weights as load_weights,
    )
    from torch_impl.weights import (
        save_weights as save_weights,
    )
    from torch_impl.weights import (
        set_weights as set_weights,
    )

_HOMES = {
    "build": "model",
    "export_onnx": "export",
    "get_weights": "weights",
    "load_weights": "weights",
    "save_weights": "weights",
    "set_weights": "weights",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
