"""Writes the shapes of a model's values into it, for viewers and people."""

from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto, helper, shape_inference

from netspec.ops import Shape

BATCH = "N"
LARGEST_CONSTANT = 1024  # bytes: pads, axes and bounds are smaller; of weights, only the shapes are needed


def value(name: str, shape: Shape, kind: int = TensorProto.FLOAT, batch: int | str = BATCH) -> ValueInfoProto:
    """A value `(batch, *shape)` of the graph."""
    return helper.make_tensor_value_info(name, kind, (batch, *shape))


def fill_in_shapes(model: ModelProto) -> None:
    """Add the shape that ONNX infers for every value without one, where it can infer it.

    Weights are not copied for the inference: only their shapes are needed.
    """
    body = model.graph
    known = {entry.name for values in (body.value_info, body.input, body.output) for entry in values}
    missing = [name for node in body.node for name in node.output if name and name not in known]
    if not missing:
        return
    light = GraphProto(name=body.name)
    light.node.extend(body.node)
    light.input.extend(body.input)
    light.output.extend(body.output)
    light.value_info.extend(body.value_info)
    for tensor in body.initializer:
        if tensor.ByteSize() <= LARGEST_CONSTANT:
            light.initializer.append(tensor)
        else:
            light.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    opsets = list(model.opset_import)
    whole = helper.make_model(light, opset_imports=opsets, ir_version=model.ir_version)
    inferred = {entry.name: entry for entry in shape_inference.infer_shapes(whole).graph.value_info}
    body.value_info.extend(inferred[name] for name in missing if name in inferred)
