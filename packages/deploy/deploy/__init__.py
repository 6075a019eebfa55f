"""Diptych's ONNX files in production: numpy, Pillow and onnxruntime, and nothing else of Diptych."""

from deploy.predict import Model, ModelError, Prediction, read_image

__all__ = ["Model", "ModelError", "Prediction", "read_image"]
