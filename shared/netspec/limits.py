"""Limits of formats that a network can be held to before it is trained or built."""

from diptych.errors import ExportError
from netspec.graph import Graph
from netspec.passes import inference

ONNX_BYTES = 2**31 - 1  # of a protobuf message; weights beside the file are never written: a model is one file
_NODE_BYTES = 2**12  # names, attributes and shapes of a node, generously


def onnx_size(graph: Graph) -> int:
    """About how many bytes the ONNX file of a network has, without its weights being made."""
    deployed = inference(graph) if len(graph.inputs) == 1 else graph
    return 4 * deployed.num_total + _NODE_BYTES * len(deployed.nodes)


def check_onnx_size(graph: Graph) -> None:
    """Raise `ExportError`, with the size, for a network whose ONNX file would exceed the 2 GiB of protobuf."""
    if (size := onnx_size(graph)) > ONNX_BYTES:
        raise ExportError(
            f"{graph.name} has {graph.num_total:,} parameters: its ONNX file would take {size / 2**30:.2f} GiB, and "
            "an ONNX file has at most 2 GiB; choose fewer channels or classes"
        )
