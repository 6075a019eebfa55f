"""Writes ONNX files, and leaves none that onnxruntime does not run as its source does.

`deploy.runtime` starts onnxruntime, and imports it only when needed.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, helper

from deploy import runtime
from deploy.contract import CONTENT_HASH
from deploy.errors import ModelError, first_line
from deploy.files import written_whole
from deploy.inspection import inspect, with_content_hash
from diptych.errors import DiptychError, ExportError
from diptych.stopping import until_stopped
from netspec import Graph
from netspec.compare import Difference, forward_difference
from netspec.probes import probe_images
from onnx_impl.model import contract_of
from onnx_impl.shapes import fill_in_shapes

Forward = Callable[[np.ndarray], np.ndarray]
BATCHES = (1, 7)


def session(model: ModelProto | bytes | str | os.PathLike[str]) -> Any:
    """An onnxruntime session on the CPU, of a model, of a file's bytes or of a file."""
    source = model.SerializeToString() if isinstance(model, ModelProto) else os.fspath(model)
    return runtime.start(source, provider=runtime.CPU)


def run(model: Any, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs by name of a model, a file or a session, for inputs `(N, C, H, W)` by name."""
    running = model if hasattr(model, "get_outputs") else session(model)
    names = [output.name for output in running.get_outputs()]
    return dict(zip(names, running.run(None, dict(feeds)), strict=True))


def write_verified(
    model: ModelProto, graph: Graph, forward: Forward, path: str | os.PathLike[str], metadata: Mapping[str, str]
) -> Difference:
    """Write a model if it is valid, keeps the contract and computes what `forward` does; return the difference.

    `forward` turns float32 `(N, C, H, W)` into logits; the two are compared at batch 1 and 7. The file states the
    shapes of its values and its network, and has a hash over all of its bytes. Equal models give equal files.
    `metadata` are further entries. Raises `ExportError` if a check fails, and then leaves no file.
    """
    _forget_where_it_was_made(model)
    known = {entry.key: entry.value for entry in model.metadata_props}
    properties = {**contract_of(graph).properties(), **known, **metadata, CONTENT_HASH: "0" * 64}
    try:
        helper.set_model_props(model, properties)
        fill_in_shapes(model)
        content = with_content_hash(model.SerializeToString(deterministic=True))
        found = inspect(content, f"the ONNX file of {graph.name}")
    except ModelError as error:
        raise ExportError(str(error)) from None
    except Exception as error:  # from protobuf for a message above 2 GiB, or from shape inference for an invalid graph
        raise ExportError(f"the ONNX file of {graph.name} is invalid: {first_line(error)}") from None
    if found.input_shape != graph.input_shape:
        raise ExportError(
            f"the ONNX file of {graph.name} takes {found.input_shape}, but the graph takes {graph.input_shape}"
        )
    with written_whole(Path(path)) as temporary:
        temporary.write_bytes(content)
        return verify(content, graph, forward)


def _forget_where_it_was_made(model: ModelProto) -> None:
    """Remove what exporters note about their origin, such as stack traces with this machine's paths."""
    body = model.graph
    for part in (body, *body.node, *body.initializer, *body.input, *body.output, *body.value_info):
        del part.metadata_props[:]
    for part in (model, body, *body.node):
        part.doc_string = ""


def verify(content: bytes, graph: Graph, forward: Forward) -> Difference:
    """Check a file's bytes against the ONNX standard and against `forward`. Raises `ExportError`.

    The bytes, because neither checker nor runtime takes a path that is not UTF-8.
    """
    try:
        onnx.checker.check_model(content, full_check=True)
        running = session(content)
    except Exception as error:  # the checker and the runtime have no common base class
        raise ExportError(f"the ONNX file of {graph.name} is invalid: {first_line(error)}") from None
    images = probe_images(graph, sum(BATCHES), seed=1)
    try:
        expected = np.asarray(forward(images))
        if expected.dtype.kind != "f":
            raise ExportError(f"the forward pass gives {expected.dtype} and no logits")
        parts = np.split(images, np.cumsum(BATCHES)[:-1])
        actual = [run(running, {"image": part})["logits"] for part in until_stopped(parts)]
        difference = forward_difference(expected, np.concatenate(actual))
    except DiptychError as error:
        raise ExportError(f"the ONNX file of {graph.name} cannot be verified: {error}") from None
    if not difference.within:
        raise ExportError(f"the ONNX file of {graph.name} computes something else: {difference}")
    return difference
