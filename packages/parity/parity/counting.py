"""Counts the parameters, trainable and total, in each of the three builders."""

from collections.abc import Mapping

from netspec import Graph
from netspec.ops import Param
from parity.runners import KerasRunner, OnnxRunner, Sides, TorchRunner

Counts = Mapping[str, tuple[int, int]]
BUILDERS = (TorchRunner, KerasRunner, OnnxRunner)
_COUNTED: dict[tuple[str, str, tuple[Param, ...]], tuple[int, int]] = {}


def of_models(runners: Sides, onnx: OnnxRunner) -> Counts:
    """Counts of built networks."""
    return {name: runner.num_params() for name, runner in runners.items()} | {"onnx": onnx.num_params()}


def of_layers(network: Graph) -> Counts:
    """Counts of a network, layer by layer. Each distinct layer is made once, without memory for its weights."""
    totals = {}
    for builder in BUILDERS:
        counts = []
        for node in network:
            shapes = network.input_shapes(node)
            params = node.op.params(*shapes)
            key = builder.name, node.op.kind, params
            if params and key not in _COUNTED:
                _COUNTED[key] = builder.count(network, node)
            counts.append(_COUNTED[key] if params else (0, 0))
        totals[builder.name] = sum(count[0] for count in counts), sum(count[1] for count in counts)
    return totals
