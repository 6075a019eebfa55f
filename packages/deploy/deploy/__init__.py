"""Diptych's ONNX files in production: numpy, Pillow and onnxruntime, and nothing else of Diptych.

Public names are imported when they are first used: the other packages read this one's contracts without its libraries.
"""

import os
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deploy.errors import DeployError as DeployError, ImageError as ImageError, ModelError as ModelError
    from deploy.images import read_image as read_image
    from deploy.predict import Classifier as Classifier, Model as Model, Prediction as Prediction

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # see deploy.runtime: before anyone imports onnxruntime

__version__ = "0.1.0"  # of every package of Diptych
_HOMES = {
    "DeployError": "errors",
    "ImageError": "errors",
    "ModelError": "errors",
    "Classifier": "predict",
    "Model": "predict",
    "Prediction": "predict",
    "read_image": "images",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        try:
            return metadata.version("diptych-deploy")
        except metadata.PackageNotFoundError:
            return "unknown"
    if name not in _HOMES:
        raise AttributeError(f"module 'deploy' has no attribute '{name}'")
    return getattr(import_module(f"deploy.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
