"""Carry the weights of a network from PyTorch to Keras, and compare what both compute.

python examples/carry_weights.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np
import torch

import keras_impl
import torch_impl
from netspec.probes import probe_images

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples")
folder.mkdir(parents=True, exist_ok=True)
file = folder / "resnet20.safetensors"

module = torch_impl.build("resnet20", num_classes=10, seed=0).eval()
model = keras_impl.build("resnet20", num_classes=10, seed=1)  # begins with other weights

images = probe_images(model.spec, 8)  # float32 (N, C, H, W)
with torch.no_grad():
    expected = module(torch.from_numpy(images)).numpy()


def difference() -> float:
    logits = np.asarray(model(images.transpose(0, 2, 3, 1)))  # Keras takes (N, H, W, C)
    return float(np.abs(logits - expected).max())


print(f"before: the logits differ by at most {difference():.1e}")
torch_impl.save_weights(module, file)
keras_impl.load_weights(model, file)
print(f"after:  the logits differ by at most {difference():.1e}")
print(f"The logits are between {expected.min():.1f} and {expected.max():.1f}.")
