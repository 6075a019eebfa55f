"""Finishes a model that was made of another one: its metadata, its opsets, and a hash over its content."""

import onnx
from onnx import ModelProto, helper

from deploy.contract import CONTENT_HASH
from deploy.errors import first_line
from deploy.inspection import with_content_hash
from diptych.errors import ExportError

STANDARD = ("", "ai.onnx")


def rewritten(model: ModelProto, **metadata: str) -> bytes:
    """The bytes of `model` with its own metadata and further ones, after ONNX's checker.

    The hash of the weights stays: it says which weights these are. Notes at the tensors go, since a reader would
    compare the tensors with that hash. Opsets of other domains go: no node has them. Raises `ExportError` for a model
    that its opset does not allow.
    """
    known = {entry.key: entry.value for entry in model.metadata_props if entry.key != CONTENT_HASH}
    helper.set_model_props(model, {**known, **metadata, CONTENT_HASH: "0" * 64})
    standard = [entry for entry in model.opset_import if entry.domain in STANDARD]
    del model.opset_import[:]
    model.opset_import.extend(standard)
    for tensor in model.graph.initializer:
        tensor.doc_string = ""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"it cannot be rewritten: {first_line(error)}") from None
    return with_content_hash(model.SerializeToString(deterministic=True))
