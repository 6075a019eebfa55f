"""An image to the names of its most probable classes, prepared as the model's own metadata say."""

import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from deploy.errors import ModelError
from deploy.images import RESIZE_RULE as RESIZE_RULE, read_image as read_image

NEEDED = ("classes", "mean", "std", "image_size", "resize_rule")


@dataclass(frozen=True)
class Prediction:
    """A class and its probability, 0..1."""

    name: str
    probability: float


class Model:
    """An ONNX file that says how its images are prepared and what its classes are called.

    `image_size` is `(height, width)`. Raises `ModelError` for a file that is no model, or no such one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                os.fspath(path), options, providers=onnxruntime.get_available_providers()
            )
        except Exception as error:  # onnxruntime's exceptions have no common base class
            reason, _, _ = str(error).partition("\n")
            raise ModelError(f"{path}: not an ONNX model that runs ({reason})") from None
        known = self.session.get_modelmeta().custom_metadata_map
        if missing := [key for key in NEEDED if key not in known]:
            raise ModelError(f"{path}: its metadata lack {', '.join(missing)}; give the model.onnx of a run")
        if known["resize_rule"] != RESIZE_RULE:
            raise ModelError(f"{path}: wants images resized by another rule: {known['resize_rule']}")
        try:
            height, width = map(int, known["image_size"].split("x"))
            self.classes = [str(name) for name in json.loads(known["classes"])]
            self.mean, self.std = (np.asarray(json.loads(known[key]), np.float64) for key in ("mean", "std"))
        except (ValueError, TypeError) as error:
            raise ModelError(f"{path}: its metadata cannot be read ({error})") from None
        self.image_size = (height, width)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """float32 `(N, classes)` of uint8 images `(N, H, W, 3)` of the model's size."""
        offset, scale = (self.mean * 255).astype(np.float32), (1 / (self.std * 255)).astype(np.float32)
        prepared = (images.astype(np.float32) - offset) * scale
        outputs: list[Any] = self.session.run(
            ["logits"], {"image": np.ascontiguousarray(prepared.transpose(0, 3, 1, 2))}
        )
        return np.asarray(outputs[0])

    def predict(self, images: np.ndarray, top: int = 5) -> list[list[Prediction]]:
        """For each of the images the `top` most probable classes, the likeliest first."""
        logits = self.logits(images).astype(np.float64)
        odds = np.exp(logits - logits.max(1, keepdims=True))
        probabilities = odds / odds.sum(1, keepdims=True)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
        return [
            [Prediction(self.classes[index], float(row[index])) for index in best]
            for row, best in zip(probabilities, order, strict=True)
        ]
