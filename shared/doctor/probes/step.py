"""Training steps and the exports of a small network, by the shipped trainer of a framework."""

import sys
import time
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from doctor.probes import answer
from doctor.probes.libraries import loaded

IMAGES, STEPS = 8, 3
ONNX = {"onnx", "onnxruntime", "onnxscript", "tf2onnx"}


def step(name: str) -> dict[str, Any]:
    """Train `name` (`torch` or `keras`) for a few steps, and export as a training does: by two exporters.

    Raises whatever is wrong with it.
    """
    import numpy as np

    from diptych.machine import describe_versions
    from doctor.probes.network import CLASSES, small
    from netspec import initial_weights
    from trainspec.optim import settings, step_settings
    from trainspec.plan import Batch
    from trainspec.recipes import Recipe
    from trainspec.schedules import Place

    begin = time.monotonic()
    framework = import_module(f"{name}_impl.commands").load()
    imported = time.monotonic()
    graph, recipe = small(), Recipe()
    device = framework.choose_device("auto", None)
    trainer = framework.trainer(graph, initial_weights(graph), recipe, device)
    generator = np.random.default_rng(0)
    images = generator.standard_normal((IMAGES, 16, 16, 3)).astype(np.float32)
    batch = trainer.place(Batch(images, np.eye(CLASSES)[np.arange(IMAGES) % CLASSES]))
    groups = settings(graph, recipe)
    losses = [
        float(trainer.step(batch, step_settings(recipe, groups, Place(number, STEPS, STEPS))).loss)
        for number in range(STEPS)
    ]
    if not np.isfinite(losses).all() or not losses[-1] < losses[0]:
        raise ArithmeticError(f"the loss of {STEPS} steps on one batch does not fall: {losses}")
    deployed = framework.deploy(graph, trainer.weights(), None)
    with TemporaryDirectory() as folder:
        difference = deployed.export(Path(folder) / "model.onnx", {})
        native = deployed.export_natively(Path(folder) / "native.onnx", {})
    versions = describe_versions(framework.packages)
    own = [f"{package} {versions[package]}" for package in framework.packages if package in versions.keys() - ONNX]
    return {
        "did": f"{', '.join(own)} trained and exported",
        "seconds": time.monotonic() - imported,
        "import_seconds": imported - begin,
        "device": f"{device.label} ({device.precision})",
        "on_gpu": not device.label.startswith("CPU"),
        "losses": losses,
        "export_difference": difference.value,
        "native_difference": native and native.value,
        "versions": versions,
        "libraries": loaded(),
    }


if __name__ == "__main__":
    answer(lambda: step(sys.argv[1]))
