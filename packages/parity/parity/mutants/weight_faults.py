"""Faults of weights: tensors that were exchanged, or read in another order.

A fault takes a graph, a node of it and the weights, and returns the wrong tensors by name; None if the node cannot have
this fault.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from netspec import Graph, Node
from netspec.graph import IMAGE
from netspec.ops import BatchNorm, Conv, Flatten, Linear

Tensors = Mapping[str, np.ndarray]
Fault = Callable[[Graph, Node, Tensors], dict[str, np.ndarray] | None]


def kernel(change: Callable[[Graph, Node, np.ndarray], np.ndarray | None]) -> Fault:
    """A fault of one kernel."""

    def fault(graph: Graph, node: Node, weights: Tensors) -> dict[str, np.ndarray] | None:
        name = f"{node.name}.weight"
        if not isinstance(node.op, Conv | Linear):
            return None
        changed = change(graph, node, weights[name])
        return None if changed is None else {name: np.ascontiguousarray(changed)}

    return fault


def swapped(graph: Graph, node: Node, weights: Tensors) -> dict[str, np.ndarray] | None:
    """The kernel and the next one of the same shape are exchanged."""
    kernels = [f"{other.name}.weight" for other in graph if isinstance(other.op, Conv | Linear)]
    name = f"{node.name}.weight"
    if name not in kernels:
        return None
    later = kernels[kernels.index(name) + 1 :]
    other = next((one for one in later if graph.params[one].shape == graph.params[name].shape), None)
    return {name: weights[other], other: weights[name]} if other else None


def transposed(graph: Graph, node: Node, weight: np.ndarray) -> np.ndarray | None:
    """Height and width of a kernel are exchanged."""
    square = weight.ndim == 4 and weight.shape[2] == weight.shape[3] > 1
    return weight.swapaxes(2, 3) if square else None


def turned(graph: Graph, node: Node, weight: np.ndarray) -> np.ndarray | None:
    """The kernel of a true convolution in place of a cross-correlation."""
    return weight[:, :, ::-1, ::-1] if weight.ndim == 4 and max(weight.shape[2:]) > 1 else None


def inputs_for_outputs(graph: Graph, node: Node, weight: np.ndarray) -> np.ndarray | None:
    """Inputs and outputs of a matrix are exchanged."""
    return weight.swapaxes(0, 1) if weight.shape[0] == weight.shape[1] > 1 else None


def groups_shuffled(graph: Graph, node: Node, weight: np.ndarray) -> np.ndarray | None:
    """Each group has the kernel of the group before it."""
    groups = node.op.groups if isinstance(node.op, Conv) else 1
    return np.roll(weight, len(weight) // groups, 0) if groups > 1 else None


def channels_reversed(graph: Graph, node: Node, weight: np.ndarray) -> np.ndarray | None:
    """The network expects the image's channels in the other order: BGR for RGB."""
    return weight[:, ::-1] if node.inputs[0] == IMAGE and weight.shape[1] > 1 else None


def flattened_by_pixel(graph: Graph, node: Node, weight: np.ndarray) -> np.ndarray | None:
    """The matrix after a map belongs to a vector of pixels, each with all its channels."""
    source = next((other for other in graph if other.name == node.inputs[0]), None)
    if source is None or not isinstance(source.op, Flatten):
        return None
    channels, height, width = graph.shapes[source.inputs[0]]
    if channels == 1 or height * width == 1:
        return None
    return weight.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(weight.shape)


def stale_statistics(graph: Graph, node: Node, weights: Tensors) -> dict[str, np.ndarray] | None:
    """Means and variances are those of the start."""
    if not isinstance(node.op, BatchNorm):
        return None
    mean, variance = f"{node.name}.running_mean", f"{node.name}.running_var"
    return {mean: np.zeros_like(weights[mean]), variance: np.ones_like(weights[variance])}


def affine_exchanged(graph: Graph, node: Node, weights: Tensors) -> dict[str, np.ndarray] | None:
    """Gamma and beta are exchanged."""
    if not isinstance(node.op, BatchNorm):
        return None
    gamma, beta = f"{node.name}.weight", f"{node.name}.bias"
    return {gamma: weights[beta], beta: weights[gamma]}


WEIGHT_FAULTS: dict[str, Fault] = {
    "equal-shaped kernels swapped": swapped,
    "transposed kernel": kernel(transposed),
    "turned kernel": kernel(turned),
    "inputs for outputs": kernel(inputs_for_outputs),
    "groups shuffled": kernel(groups_shuffled),
    "channel order of the input": kernel(channels_reversed),
    "flatten order": kernel(flattened_by_pixel),
    "stale statistics": stale_statistics,
    "gamma and beta exchanged": affine_exchanged,
}


def wrong_weights(graph: Graph, node: Node, weights: Tensors) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Every fault that the node's weights can have, with the wrong tensors."""
    for name, fault in WEIGHT_FAULTS.items():
        if changed := fault(graph, node, weights):
            yield name, changed
