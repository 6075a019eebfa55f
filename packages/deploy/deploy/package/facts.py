"""What the manifest says of a model, read from the file and from the run that it is of."""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from deploy import __version__
from deploy.contract import COLOR_RULES, RESIZE_RULES, Contract
from deploy.errors import ModelError
from deploy.files import read_bytes
from deploy.inspection import Inspected, inspect, read_model
from deploy.intervals import LEVEL, of_accuracy
from deploy.package import golden
from deploy.package.manifest import facts_of_package, training_of
from deploy.proto import model_class
from deploy.runs import MOST, run_of, state_of_run

PREPROCESSING = "preprocess.json"
BOXES = {
    RESIZE_RULES["crop"]: "from the fractional box of PIL.ImageOps.fit",
    RESIZE_RULES["margin"]: "from the fractional box of PIL.ImageOps.fit with bleed=1/16",
    RESIZE_RULES["squash"]: "from the whole image",
}
LIBRARIES = ("numpy", "pillow", "onnxruntime", "onnxruntime-gpu")


def facts_of(inspected: Inspected, source: Path) -> dict[str, Any]:
    """The manifest's entries for a file that comes from `source`, an ONNX file or the folder of a run."""
    contract = inspected.contract
    return {
        **facts_of_file(inspected),
        "training": training_state(contract, source),
        **_accuracies(contract, source),
        "versions": versions(),
    }


def facts_of_file(inspected: Inspected) -> dict[str, Any]:
    """Those of the entries that the file itself decides."""
    model = model_class()()
    model.ParseFromString(inspected.content)
    contract = inspected.contract
    opsets = {entry.domain.decode() or "ai.onnx": entry.version for entry in model.opset_import}
    return {
        "architecture": contract.architecture,
        "graph_digest": contract.graph_digest,
        "weights_sha256": contract.weights_sha256,
        "ir_version": model.ir_version,
        "opset": opsets,
        **_interface("float32", ["N", *inspected.input_shape], contract),
        "data": {"name": contract.data, "fingerprint": contract.data_fingerprint},
        "weights": contract.weights or None,
        "golden_limit": golden.limit(contract),
    }


def uint8_interface(contract: Contract, channels: int) -> dict[str, Any]:
    """The manifest's entry for the variant that takes images: its inputs and outputs."""
    return _interface("uint8", ["N", "H", "W", channels], contract)


def _interface(kind: str, shape: list[Any], contract: Contract) -> dict[str, Any]:
    return {
        "inputs": [{"name": "image", "type": kind, "shape": shape}],
        "outputs": [{"name": "logits", "type": "float32", "shape": ["N", len(contract.classes)]}],
    }


def training_state(contract: Contract, source: Path) -> str | None:
    """How the training of these weights ended, as the run, the package or the file itself says; None if none does."""
    run = run_of(source)
    own = contract if os.path.isdir(source) else _contract_of(run)
    of_run = state_of_run(run) if own and own.weights_sha256 == contract.weights_sha256 else None
    return of_run or training_of(source, contract.compression) or None


def _contract_of(run: Path) -> Contract | None:
    """The metadata of a run's own model; None if it has none."""
    try:
        return inspect(read_model(run, unfinished=True), run).contract
    except ModelError:
        return None


def _accuracies(contract: Contract, source: Path) -> dict[str, Any]:
    """`accuracy` is that of the file itself: of a compressed one, the run's is that of another, the float32 file.

    What neither the run nor the file says, the package may say that the file is in.
    """
    of_run = accuracy(run_of(source), contract)
    of_package = facts_of_package(source) or {}
    if of_package.get("weights_sha256") != contract.weights_sha256:  # the manifest is of other weights
        of_package = {}
    packaged = packaged_accuracy(of_package.get("accuracy"))
    if not contract.compression:
        return {"accuracy": of_run or packaged, "compression": None}
    compression = json.loads(contract.compression)
    return {
        "accuracy": compressed_accuracy(compression) or packaged,
        "float32_accuracy": of_run or packaged_accuracy(of_package.get("float32_accuracy")),
        "compression": compression,
    }


def packaged_accuracy(said: Any) -> dict[str, Any] | None:
    """As `accuracy`, of an entry of a manifest. None if the manifest does not say it."""
    try:
        return _figures(float(said["top1"]), int(said["images"]), str(said["measured"]))
    except (ValueError, LookupError, TypeError, ArithmeticError):
        return None


def compressed_accuracy(compression: Mapping[str, Any]) -> dict[str, Any] | None:
    """As `accuracy`, of what `onnx_impl quantize` wrote about a compressed file. None if it does not say it."""
    try:
        return _figures(
            float(compression["top1"]),
            int(compression["test_images"]),
            f"the test split{_of(compression.get('data'))}, by onnxruntime, in {compression['to']}",
        )
    except (ValueError, LookupError, TypeError, ArithmeticError):
        return None


def _of(data: object) -> str:
    return f" of {data}" if data else ""


def _figures(top1: float, images: int, measured: str) -> dict[str, Any]:
    return {
        "top1": top1,
        "interval": list(of_accuracy(top1, images)),
        "level": LEVEL,
        "images": images,
        "measured": measured,
    }


def accuracy(run: Path, contract: Contract) -> dict[str, Any] | None:
    """Top-1 of a run on its test split in percent, with Wilson's interval.

    None if the run does not record it, or if its own model is not of the same network, weights, classes and images.
    """
    try:
        if not (found := _contract_of(run)) or not found.is_same_model(contract):
            return None
        recorded = json.loads(read_bytes(run / "run.json", MOST))
        measured = f"the test split, by {str(recorded.get('framework', 'the training'))[:40]}, in float32"
        return _figures(float(recorded["test_top1"]), int(recorded["test_images"]), measured)
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, AttributeError):
        return None


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "diptych": __version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def preprocessing(contract: Contract, channels: int) -> bytes:
    """`preprocess.json`: everything that happens between an image file and the input of the model."""
    height, width = contract.image_size
    steps = {
        "decode": "first image of the file, 8 bits a channel, turned upright by EXIF or XMP, no colour profile",
        "transparency": "put on white",
        "color": COLOR_RULES[channels],
        "resize": contract.resize_rule,
        "filter": f"Pillow's BILINEAR, antialiased, {BOXES[contract.resize_rule]}",
        "height": height,
        "width": width,
        "normalise": "(pixel / 255 - mean) / std",
        "mean": contract.mean,
        "std": contract.std,
        "layout": "NCHW",
        "type": "float32",
    }
    return (json.dumps(steps, indent=1) + "\n").encode()
