"""Diptych's networks in PyTorch."""

from typing import TYPE_CHECKING

from deploy import __version__ as __version__
from deploy.lazy import lazy

if TYPE_CHECKING:
    from torch_impl.commands import evaluate as evaluate, train as train
    from torch_impl.export import export_onnx as export_onnx
    from torch_impl.model import build as build
    from torch_impl.weights import (
        get_weights as get_weights,
        load_weights as load_weights,
        save_weights as save_weights,
        set_weights as set_weights,
    )

__all__ = [
    "build",
    "evaluate",
    "export_onnx",
    "get_weights",
    "load_weights",
    "save_weights",
    "set_weights",
    "train",
]

__getattr__, __dir__ = lazy(
    __name__,
    commands=("evaluate", "train"),
    export=("export_onnx",),
    model=("build",),
    weights=("get_weights", "load_weights", "save_weights", "set_weights"),
)
