"""Runs Diptych's ONNX files in production with numpy, Pillow and onnxruntime, without the rest of Diptych.

Public names are imported at their first use, so the other packages can read the contract without these libraries.
"""

import os
from typing import TYPE_CHECKING

from deploy.lazy import lazy

if TYPE_CHECKING:
    from deploy.benchmarking import benchmark as benchmark
    from deploy.errors import DeployError as DeployError, ImageError as ImageError, ModelError as ModelError
    from deploy.evaluation import evaluate as evaluate
    from deploy.images import read_image as read_image
    from deploy.package.verification import verify as verify
    from deploy.predict import Classifier as Classifier, Model as Model, Prediction as Prediction

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before anyone imports onnxruntime; see deploy.runtime

__version__ = "0.1.0"  # of every package of Diptych
__all__ = [
    "Classifier",
    "DeployError",
    "ImageError",
    "Model",
    "ModelError",
    "Prediction",
    "benchmark",
    "evaluate",
    "read_image",
    "verify",
]

__getattr__, __dir__ = lazy(
    __name__,
    benchmarking=("benchmark",),
    errors=("DeployError", "ImageError", "ModelError"),
    evaluation=("evaluate",),
    images=("read_image",),
    predict=("Classifier", "Model", "Prediction"),
    **{"package.verification": ("verify",)},
)
