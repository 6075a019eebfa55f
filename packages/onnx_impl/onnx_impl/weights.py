"""Writes canonical weights into an ONNX model and reads them back."""

import os
from collections.abc import Mapping

import numpy as np
from onnx import GraphProto, ModelProto, helper, numpy_helper

import netspec
from deploy.arguments import checked
from deploy.tensors import WEIGHT, is_external
from diptych.errors import WeightsError
from netspec import Graph
from netspec.init import Weights


def add_initializers(body: GraphProto, weights: Mapping[str, np.ndarray], dtype: np.dtype, canonical: bool) -> None:
    """Add one initializer per tensor, under its canonical name, without copies: copies of a VGG take seconds.

    A doc string marks canonical weights and distinguishes them from the constants of operators. A reader can check them
    against the file's `weights_sha256`.
    """
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    for name, array in weights.items():
        tensor = body.initializer.add(name=name, data_type=kind, dims=array.shape)
        if canonical:
            tensor.doc_string = WEIGHT
        tensor.raw_data = np.ascontiguousarray(array, dtype.newbyteorder("<")).tobytes()


@checked
def get_weights(model: ModelProto, graph: Graph) -> Weights:
    """The parameters among a model's initializers by canonical name, without constants such as blur filters.

    Raises `WeightsError` for one that the model keeps in another file.
    """
    own = [tensor for tensor in model.graph.initializer if tensor.name in graph.params]
    for tensor in own:
        if is_external(tensor):
            raise WeightsError(f"the model keeps '{tensor.name}' in another file; a model must be one file")
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in own}


@checked
def save_weights(model: ModelProto, graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write a canonical float32 weight file, which every builder can read."""
    netspec.save_weights(graph, get_weights(model, graph), path)
