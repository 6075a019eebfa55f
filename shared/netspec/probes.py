"""Inputs for comparing untrained networks: weights without neutral values, and images that differ.

`onnx_impl.measure` adds batch-norm statistics, which need a forward pass.
"""

import math

import numpy as np

from netspec.graph import Graph
from netspec.init import Weights, initial_weights, stream
from netspec.ops import Activation, Add, AvgPool, BatchNorm, Conv, MaxPool

RANGES = {  # of uniform draws
    "gamma": (0.25, 0.75),
    "beta": (-0.25, 0.75),
    "activated beta": (0.0, 1.0),
    "bias": (-0.1, 0.1),
    "mean": (-0.1, 0.1),
    "variance": (0.5, 1.5),
}
BEND = {"gamma": (1.5, 2.5), "beta": (4.0, 5.0), "bias": (6.5, 7.5)}  # of the first channel before an activation
BENT = 100  # about so many activations of a network have such a channel: it costs precision in float32
FAINT = np.float32(1 / 32)  # times the weights of a channel


def probe_weights(graph: Graph, seed: int = 0) -> Weights:
    """Weights for comparing implementations only: no value is zero, one or otherwise neutral.

    With fresh weights an implementation that forgets a bias or a beta would pass, and deep networks of batch norm and
    ReLU multiply rounding errors layer by layer. Small gammas, and positive betas before an activation, keep the
    networks near linear. Other betas have either sign, because the blocks of a residual tower add them up. One
    channel before an activation passes 6; without it, ReLU6 would pass for ReLU. If its layer is not a norm, its
    weights are faint, so that they do not take it below 6. The last channel before a batch norm is faint, so that its
    variance is near the epsilon; without it, a wrong epsilon would not show in float32.
    """
    weights = initial_weights(graph, seed)
    in_order = _activated(graph)
    activated, bent = set(in_order), set(in_order[:: math.ceil(len(in_order) / BENT) or 1])
    for name, param in graph.params.items():
        node = name.rpartition(".")[0]
        kind = "activated beta" if param.kind == "beta" and node in activated else param.kind
        if kind in RANGES:
            generator = stream(seed, name)
            weights[name] = generator.uniform(*RANGES[kind], param.shape).astype(np.float32)
            if node in bent and param.kind in BEND:
                weights[name][0] = generator.uniform(*BEND[param.kind])
                if param.kind == "bias":
                    weights[f"{node}.weight"][0] *= FAINT
    for name in _normalised(graph):
        weights[f"{name}.weight"][-1] *= FAINT
    return weights


def _activated(graph: Graph) -> list[str]:
    """The nodes whose values go to an activation; of a sum that does, the first term if all terms have a beta or bias.

    A term without one is a shortcut: it brings the channels of the block before, and they must not add up.
    """
    sources = _sources(graph)
    shifted = {name.rpartition(".")[0] for name, param in graph.params.items() if param.kind in ("beta", "bias")}
    found = {sources[node.inputs[0]] for node in graph if isinstance(node.op, Activation)}
    terms = [
        [sources[name] for name in node.inputs] for node in graph if node.name in found and isinstance(node.op, Add)
    ]
    found |= {first for first, *others in terms if shifted.issuperset([first, *others])}
    return [node.name for node in graph if node.name in found & shifted]


def _normalised(graph: Graph) -> list[str]:
    """The convolutions before a batch norm, also with pools between."""
    sources = _sources(graph)
    found = {sources[node.inputs[0]] for node in graph if isinstance(node.op, BatchNorm)}
    return [node.name for node in graph if node.name in found and isinstance(node.op, Conv)]


def _sources(graph: Graph) -> dict[str, str]:
    """By the name of each value, the node that it comes from: of a pool, the node before it."""
    sources = {name: name for name in graph.inputs}
    for node in graph:
        pool = isinstance(node.op, MaxPool | AvgPool)
        sources[node.name] = sources[node.inputs[0]] if pool else node.name
    return sources


def probe_images(graph: Graph, count: int, seed: int = 0) -> np.ndarray:
    """Noise of many scales and contrasts, like photographs: float32 `(count, C, H, W)`, variance about 1.

    White noise would not do: from afar all its images look alike, and deep networks give them the same answers. With
    equal contrasts the means that attention uses differ little, and a norm after them multiplies rounding errors.
    """
    channels, height, width = graph.input_shape
    generator = stream(seed, "images")
    cells = [2**i for i in range(max(height, width).bit_length())]
    images = np.zeros((count, channels, height, width), np.float32)
    for cell in cells:
        coarse = generator.standard_normal((count, channels, -(-height // cell), -(-width // cell)), np.float32)
        images += coarse.repeat(cell, 2).repeat(cell, 3)[:, :, :height, :width]
    contrasts = generator.uniform(0.5, 1.5, (count, 1, 1, 1)).astype(np.float32)
    return contrasts * images / np.float32(len(cells) ** 0.5)
