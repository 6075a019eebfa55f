"""The accuracy of an ONNX file, by what it says about itself: no framework, only onnxruntime."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.errors import DataError, first_line
from onnx_impl.verify import run, session
from trainspec.evaluation import Constants, evaluate, report
from trainspec.judging import Recorded


@dataclass(frozen=True)
class Described:
    """What an ONNX file's metadata say of the images that it takes."""

    image_size: int
    constants: Constants
    classes: tuple[str, ...]
    data: str

    @classmethod
    def read(cls, running: Any, source: Path) -> "Described":
        """Out of a session's metadata. Raises `DataError` when they are missing."""
        known = running.get_modelmeta().custom_metadata_map
        try:
            height, _, width = known["image_size"].partition("x")
            constants = tuple(json.loads(known["mean"])), tuple(json.loads(known["std"]))
            classes = tuple(json.loads(known["classes"]))
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(
                f"{source}: its metadata do not say how images are prepared ({error}); train a run to get one"
            ) from error
        if height != width:
            raise DataError(f"{source}: takes images of {height}x{width}; data sets are read as squares")
        return cls(int(height), constants, classes, known.get("data", ""))


def evaluate_file(options: argparse.Namespace) -> None:
    """Top-1 of an ONNX file over the test split of a data set."""
    path: Path = options.model
    try:
        running = session(path)
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise DataError(f"{path}: not an ONNX model that runs ({first_line(error)})") from None
    described = Described.read(running, path)
    recorded = Recorded.of_model(path, described.classes, described.data, unfinished=options.unfinished)
    data = recorded.load(options.data, described.image_size, 0)  # the seed draws the validation split, not the test

    def logits(images: NDArray[np.float32]) -> NDArray[np.float32]:
        canonical = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        return run(running, {"image": canonical})["logits"]

    report(evaluate(logits, data.test, described.constants), options, path.with_name("predictions-onnx.npy"))
