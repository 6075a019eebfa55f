"""Protobuf messages for the part of onnx.proto that is checked before a runtime loads a file.

onnx itself is not needed, since field numbers never change. Text is declared as bytes, so a name that is not UTF-8 is
read like any other. Fields that are not declared here are skipped.
"""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_MESSAGES = {  # message -> field -> (number, type), * for a repeated one
    "Property": {"key": (1, "bytes"), "value": (2, "bytes")},
    "Opset": {"domain": (1, "bytes"), "version": (2, "int64")},
    "Tensor": {
        "dims": (1, "*int64"),
        "data_type": (2, "int32"),
        "float_data": (4, "*float"),
        "name": (8, "bytes"),
        "raw_data": (9, "bytes"),
        "double_data": (10, "*double"),
        "doc_string": (12, "bytes"),
        "external_data": (13, "*Property"),
        "data_location": (14, "int32"),
    },
    "SparseTensor": {"values": (1, "Tensor"), "indices": (2, "Tensor")},
    "Attribute": {
        "name": (1, "bytes"),
        "f": (2, "float"),
        "t": (5, "Tensor"),
        "g": (6, "Graph"),
        "floats": (7, "*float"),
        "tensors": (10, "*Tensor"),
        "graphs": (11, "*Graph"),
        "sparse_tensor": (22, "SparseTensor"),
        "sparse_tensors": (23, "*SparseTensor"),
    },
    "Node": {
        "input": (1, "*bytes"),
        "output": (2, "*bytes"),
        "name": (3, "bytes"),
        "op_type": (4, "bytes"),
        "attribute": (5, "*Attribute"),
        "domain": (7, "bytes"),
    },
    "Dimension": {"dim_value": (1, "int64"), "dim_param": (2, "bytes")},
    "Shape": {"dim": (1, "*Dimension")},
    "TensorType": {"elem_type": (1, "int32"), "shape": (2, "Shape")},
    "Type": {"tensor_type": (1, "TensorType")},
    "Value": {"name": (1, "bytes"), "type": (2, "Type")},
    "Graph": {
        "node": (1, "*Node"),
        "name": (2, "bytes"),
        "initializer": (5, "*Tensor"),
        "input": (11, "*Value"),
        "output": (12, "*Value"),
        "sparse_initializer": (15, "*SparseTensor"),
    },
    "Training": {"initialization": (1, "Graph")},
    "Function": {"name": (1, "bytes")},
    "Model": {
        "ir_version": (1, "int64"),
        "producer_name": (2, "bytes"),
        "graph": (7, "Graph"),
        "opset_import": (8, "*Opset"),
        "metadata_props": (14, "*Property"),
        "training_info": (20, "*Training"),
        "functions": (25, "*Function"),
    },
}


def model_class() -> Any:
    """The message class of a whole file."""
    return _message_class("Model")


def tensor_class() -> Any:
    """The message class of one tensor, as in the `.pb` files of test data."""
    return _message_class("Tensor")


@cache
def _message_class(message: str) -> Any:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"deploy_onnx.{message}"))


@cache
def _pool() -> Any:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="deploy/onnx_subset.proto", package="deploy_onnx", syntax="proto2")
    for message, fields in _MESSAGES.items():
        entry = file.message_type.add(name=message)
        for field, (number, kind) in fields.items():
            label = kinds.LABEL_REPEATED if kind.startswith("*") else kinds.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            added = entry.field.add(name=field, number=number, label=label)
            if kind in _MESSAGES:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".deploy_onnx.{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
