"""The object that handlers use to add ONNX nodes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper

from netspec import Graph, Node
from netspec.ops import Shape


class Emit:
    """Adds the ONNX nodes of one spec node. The value of the last ONNX node has the spec node's name.

    `inputs` are the names of the values that the node reads, `weights` the names of its initializers in the op's order,
    `shapes` the logical shapes of the inputs.
    """

    def __init__(self, graph: Graph, node: Node, dtype: np.dtype, opset: int) -> None:
        self.name = node.name
        self.graph = graph
        self.inputs = node.inputs
        self.shapes: tuple[Shape, ...] = graph.input_shapes(node)
        self.weights = [f"{node.name}.{param.name}" for param in node.op.params(*self.shapes)]
        self.dtype, self.opset = dtype, opset
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def __call__(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Append a node and return the name of its value. Earlier nodes are named `<node>.<op type>`."""
        if self.nodes:
            self._rename_last()
        self.nodes.append(helper.make_node(op_type, inputs, [self.name], self.name, **attributes))
        return self._interim(self.nodes[-1])

    def _interim(self, node: NodeProto) -> str:
        twins = sum(other.op_type == node.op_type for other in self.nodes) - 1
        return self._free(f"{node.op_type}{twins or ''}")

    def _free(self, key: str) -> str:
        """`<node>.<key>`, with underscores after it where another node or a parameter has that name."""
        name = f"{self.name}.{key}"
        while name in self.graph.shapes or name in self.graph.params:
            name += "_"
        return name

    def _rename_last(self) -> None:
        last = self.nodes[-1]
        last.name = last.output[0] = self._interim(last)

    def constant(self, key: str, value: float | Sequence[int] | np.ndarray) -> str:
        """An initializer `<node>.<key>` that is not a parameter: int64 for integers, else the model's precision."""
        array = np.asarray(value)
        array = array.astype(np.int64 if array.dtype.kind == "i" else self.dtype)
        self.constants.append(onnx.numpy_helper.from_array(array, self._free(key)))
        return self.constants[-1].name

    def mean(self, x: str, *axes: int, keepdims: bool) -> str:
        """ReduceMean. Its axes are an attribute before opset 18 and an input from then on."""
        if self.opset < 18:
            return self("ReduceMean", x, axes=axes, keepdims=int(keepdims))
        return self("ReduceMean", x, self.constant(f"axes{len(self.constants) or ''}", axes), keepdims=int(keepdims))
