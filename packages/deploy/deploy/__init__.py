"""Diptych's ONNX files in production: numpy, Pillow and onnxruntime, and nothing else of Diptych.

Public names are imported when they are first used: the other packages read this one's contracts without its libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deploy.errors import DeployError as DeployError, ImageError as ImageError, ModelError as ModelError
    from deploy.predict import Model as Model, Prediction as Prediction, read_image as read_image

__version__ = "0.1.0"  # of every package of Diptych
_HOMES = {
    "DeployError": "errors",
    "ImageError": "errors",
    "ModelError": "errors",
    "Model": "predict",
    "Prediction": "predict",
    "read_image": "predict",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'deploy' has no attribute '{name}'")
    return getattr(import_module(f"deploy.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
