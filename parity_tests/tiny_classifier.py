"""A network of one convolution, exported as a run that a classifier takes, and images for it."""

from pathlib import Path

import numpy as np
from PIL import Image

from deploy.contract import RESIZE_RULE, Contract
from netspec import functional as f, trace
from onnx_impl import export_onnx
from onnx_impl.measure import probe
from onnx_impl.packaging import package

NAMES = tuple(f"class {number}" for number in range(5))
PACKAGE = {  # the files of its package with the uint8 variant
    "LICENSE",
    "model.onnx", "1/model.onnx", "labels.txt", "config.pbtxt", "preprocess.json", "manifest.json", "model_card.md",
    "predict.py", "verify.py", "preprocessing/image.png", "preprocessing/pixels.pb", "test_data_set_0/input_0.pb",
    "test_data_set_0/output_0.pb", "benchmark.json", "certificate.json", "uint8/1/model.onnx", "uint8/config.pbtxt",
    "uint8/labels.txt",
}  # fmt: skip
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def network(channels: int = 3, height: int = 12, width: int = 9, classes: int = len(NAMES)):
    return trace(
        "tiny", (channels, height, width),
        lambda x: f.linear(f.flatten(f.conv_bn(x, 4, 3, 2, name="stem")), classes, name="fc"),
    )  # fmt: skip


def contract(channels: int = 3, height: int = 12, width: int = 9, names: tuple[str, ...] = NAMES) -> Contract:
    return Contract(names, MEAN[:channels], STD[:channels], (height, width), RESIZE_RULE)


def images(count: int = 3, shape: tuple[int, ...] = (12, 9, 3)) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), np.uint8)


def write_run(folder: Path) -> Path:
    """The folder of a run, as far as `predict` is concerned, and images beside it."""
    (folder / "run").mkdir()
    graph = network()
    export_onnx(graph, probe(graph), folder / "run" / "model.onnx", metadata=contract().properties())
    (folder / "images" / "deep" / "er").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "images" / "one.png")
    Image.fromarray(pixels[::-1]).save(folder / "images" / "deep" / "er" / "two.webp", lossless=True)
    (folder / "images" / "notes.txt").write_text("no image")
    return folder


def write_tiny_package(folder: Path) -> Path:
    """The package of the network, with its uint8 variant. The file that it is made of is beside it."""
    graph = network()
    export_onnx(graph, probe(graph), folder / "model.onnx", metadata=contract().properties())
    return package(folder / "model.onnx", uint8=True)
