"""Diptych's networks in Keras 3.

Keras loads, clones and unpickles them once this package is imported.
"""

from typing import TYPE_CHECKING, Any

from deploy import __version__ as __version__
from deploy.lazy import lazy
from keras_impl.quiet import import_keras, watch_for_keras

if TYPE_CHECKING:
    from keras_impl.commands import evaluate as evaluate, train as train
    from keras_impl.export import export_onnx as export_onnx
    from keras_impl.model import build as build
    from keras_impl.weights import (
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

_find, __dir__ = lazy(
    __name__,
    commands=("evaluate", "train"),
    export=("export_onnx",),
    model=("build",),
    weights=("get_weights", "load_weights", "save_weights", "set_weights"),
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        import_keras()
    return _find(name)


watch_for_keras()
