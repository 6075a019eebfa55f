"""Format limits that can be checked before a network is trained or built."""

from diptych.errors import ExportError
from netspec.graph import Graph
from netspec.passes import inference

ONNX_BYTES = 2**31 - 1  # limit of a protobuf message; a model is always one file, with its weights
_NODE_BYTES = 2**12  # generous size of a node's names, attributes and shapes


def onnx_size(graph: Graph) -> int:
    """The approximate size in bytes of a network's ONNX file, computed without making its weights."""
    deployed = inference(graph) if len(graph.inputs) == 1 else graph
    return 4 * deployed.num_total + _NODE_BYTES * len(deployed.nodes)


def check_onnx_size(graph: Graph) -> None:
    """Raise `ExportError`, with the size, if a network's ONNX file would exceed protobuf's 2 GiB."""
    if (size := onnx_size(graph)) > ONNX_BYTES:
        raise ExportError(
            f"{graph.name} has {graph.num_total:,} parameters: its ONNX file would take {size / 2**30:.2f} GiB, and "
            "an ONNX file has at most 2 GiB; choose fewer channels or classes"
        )
