"""Ask a trained model about image files: by Diptych's `deploy`, and by onnxruntime alone.

python examples/deploy_model.py [FOLDER]
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import deploy
import torch_impl
from trainspec.data import open_data
from trainspec.runs import Run


def by_onnxruntime(model: Path, files: list[Path]) -> list[str]:
    """The likeliest classes without Diptych. The file's metadata say how images are prepared."""
    import onnxruntime  # here: `deploy` has switched its telemetry off by now

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map
    classes, mean, std = (json.loads(said[key]) for key in ("classes", "mean", "std"))
    images = (np.stack([np.asarray(Image.open(file)) for file in files]) / 255 - mean) / std
    (logits,) = session.run(["logits"], {"image": images.transpose(0, 3, 1, 2).astype(np.float32)})
    return [classes[index] for index in logits.argmax(1)]


folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples")
earlier = [run for run in map(Run.open, sorted(folder.glob("lenet5-torch-digits-*"))) if run.state == "finished"]
run = earlier[-1] if earlier else torch_impl.train("lenet5", data="digits", epochs=3, out=folder)

test = open_data("digits", 32, notice=print).test
files = [folder / f"image{number}-of-a-{test.labels[number]}.png" for number in range(4)]
for file, pixels in zip(files, test.read(np.arange(4)), strict=True):
    Image.fromarray(pixels).save(file)

classifier = deploy.Classifier(run.folder)  # or the path of an ONNX file
for file, answers in zip(files, classifier(files, top=2), strict=True):
    print(file.name, *(f"{answer.name}: {answer.probability:.1%}" for answer in answers), sep="  ")
print("onnxruntime alone:", *by_onnxruntime(run.folder / "model.onnx", files))
