"""Describe a network of your own, count it, build it in both frameworks, export it and compare what all three compute.

python examples/own_graph.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np
import torch

import keras_impl
import onnx_impl
import torch_impl
from netspec import Tensor, block, functional as f, trace
from netspec.compare import forward_difference
from netspec.probes import probe_images
from onnx_impl.measure import probe

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples")
folder.mkdir(parents=True, exist_ok=True)


@block
def residual(x: Tensor, channels: int, stride: int = 1) -> Tensor:
    y = f.conv_bn(x, channels, 3, stride, name="conv1")
    y = f.conv_bn(y, channels, 3, activation=None, name="conv2")
    return f.relu(f.add(y, f.average_and_pad(x, channels, stride)))


def network(x: Tensor) -> Tensor:
    x = residual(f.conv_bn(x, 16, 3, name="stem"), 16, name="block1")
    return f.classify(residual(x, 32, stride=2, name="block2"), 10)


graph = trace("small_resnet", (3, 32, 32), network)
print(f"{graph.name}: {graph.num_trainable:,} trainable parameters, {graph.macs:,} MACs, {len(graph.nodes)} nodes")

weights = probe(graph)  # drawn biases and measured statistics: every layer has an effect
module = torch_impl.build(graph, weights=weights).eval()
model = keras_impl.build(graph, weights=weights)
images = probe_images(graph, 8)  # float32 (N, C, H, W)


def by_torch(images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(module(torch.from_numpy(images)))


by_keras = np.asarray(model(images.transpose(0, 2, 3, 1)))
print(f"Keras differs from PyTorch by {forward_difference(by_torch(images), by_keras)}")
file = folder / "small_resnet.onnx"
print(f"{file} differs from PyTorch by {onnx_impl.export_onnx(graph, weights, file, forward=by_torch)}")
