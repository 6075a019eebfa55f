"""Exports to ONNX with TensorFlow's own exporter, as an independent check of the ONNX builder."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np
from onnx import ModelProto

import onnx_impl
from deploy.arguments import checked
from diptych.errors import ExportError
from keras_impl.commands import NEWEST_OPSET
from keras_impl.kernels import exporting, on_tensorflow
from keras_impl.model import assemble, build, channels_last
from keras_impl.network import Network, network_of, spec_of
from keras_impl.weights import get_weights, set_weights
from netspec import without_noise
from netspec.compare import Difference
from netspec.graph import IMAGE
from netspec.layout import to_channels_last
from onnx_impl.export_request import request_of_run
from onnx_impl.model import check_opset
from onnx_impl.verify import write_verified
from trainspec.runs import Run

OPSET = 17
COUNTED = re.compile(r"__\d+$")  # the end of names that tf2onnx makes up


@checked
def export_onnx(
    model: Any,
    path: str | os.PathLike[str],
    *,
    opset: int = OPSET,
    metadata: Mapping[str, str] | None = None,
) -> Difference:
    """Export a built model with tf2onnx from a frozen function, verify it and write it. The file is always float32.

    For a run, this exports its trained weights, with the metadata of its own `model.onnx`. The file has the input
    `image` `(N, C, H, W)` and the output `logits`; N is symbolic. It is checked, and compared with the model under
    onnxruntime at batch 1 and 7. Returns the difference that was found. On failure it raises `ExportError` and leaves
    no file. Raises `GraphError` for a model that is more than a network.
    """
    if isinstance(model, Run):
        what = request_of_run(model.folder, "keras")
        model, metadata = build(what.graph, weights=what.weights), {**what.metadata, **(metadata or {})}
    network = deployed(model)
    return write_verified(convert(network, opset), spec_of(network), partial(forward, network), path, metadata or {})


def ship_onnx(model: keras.Model, path: str | os.PathLike[str], metadata: Mapping[str, str]) -> Difference:
    """Write a run's ONNX file with the ONNX builder and the model's weights, and verify it against the model.

    On failure it raises `ExportError` and leaves no file.
    """
    network = deployed(model)
    judge = partial(forward, network)
    return onnx_impl.export_onnx(spec_of(network), get_weights(network), path, forward=judge, metadata=metadata)


def convert(network: keras.Model, opset: int = OPSET) -> ModelProto:
    """Convert a `deployed` model's inference pass with tf2onnx, with the contract's names. Raises `ExportError`."""
    if not on_tensorflow():
        raise ExportError(
            f"Keras on {keras.backend.backend()} cannot export to ONNX itself; use KERAS_BACKEND=tensorflow"
        )
    import tensorflow as tf
    import tf2onnx

    os.environ["TF2ONNX_CATCH_ERRORS"] = "FALSE"  # otherwise it copies the whole graph before each pass
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    check_opset(opset, NEWEST_OPSET)
    signature = [tf.TensorSpec((None, *channels_last(spec_of(network).input_shape)), tf.float32, name="image")]

    @tf.function(input_signature=signature, autograph=False)
    def infer(image: Any) -> dict[str, Any]:
        return {"logits": network(image, training=False)}

    with exporting(), _constants_kept_once():
        proto, _ = tf2onnx.convert.from_function(infer, signature, opset=opset, inputs_as_nchw=["image"])
    for value in (proto.graph.input[0], proto.graph.output[0]):  # tf2onnx calls the batch unk__N
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    del proto.graph.value_info[:]
    _number_constants(proto)
    return proto


def _number_constants(proto: ModelProto) -> None:
    """Order the initializers by first use. Renumber those that tf2onnx numbers differently in each process."""
    places = {name: place for place, name in enumerate(source for node in proto.graph.node for source in node.input)}
    proto.graph.initializer.sort(key=lambda tensor: places[tensor.name])
    names = {
        tensor.name: f"constant{number}"
        for number, tensor in enumerate(proto.graph.initializer)
        if COUNTED.search(tensor.name)
    }
    for tensor in proto.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in proto.graph.node:
        node.input[:] = [names.get(source, source) for source in node.input]


@contextmanager
def _constants_kept_once() -> Iterator[None]:
    """Keep tf2onnx from copying all weights after each of its two dozen passes: 15 GB for a VGG of 0.5 GB.

    It copies a node's attributes into the node's protobuf, which does not free the earlier copies. Nobody reads the
    protobuf of a constant, since the attributes themselves hold its value.
    """
    from tf2onnx.graph import Node

    update = Node.update_proto

    def update_others(node: Any, *arguments: Any) -> None:
        if not node.is_const():
            update(node, *arguments)

    Node.update_proto = update_others
    try:
        yield
    finally:
        Node.update_proto = update


def deployed(model: keras.Model) -> keras.Model:
    """The network of a model as deployed: float32, with the image as its only input. It is copied only if needed."""
    network, graph = network_of(model), spec_of(model)
    policies = {layer.dtype_policy.name for layer in network.layers}
    if isinstance(network, Network) and policies == {"float32"} and list(graph.inputs) == [IMAGE]:
        return network
    copy = assemble(without_noise(graph), "float32")
    set_weights(copy, {name: values.astype(np.float32) for name, values in get_weights(network).items()})
    return copy


def forward(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Logits `(N, classes)` of a `deployed` model for canonical images `(N, C, H, W)`."""
    return keras.ops.convert_to_numpy(network(to_channels_last(images, "map"), training=False))
