"""Damage to an ONNX file, in its metadata, structure or bytes: each is a name and a function that does it."""

import gzip
import json
import math
import random
from collections.abc import Callable
from functools import partial

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from deploy.contract import RESIZE_RULE

Damage = Callable[[onnx.ModelProto, random.Random], onnx.ModelProto | bytes | None]
METADATA: dict[str, Damage] = {}
STRUCTURE: dict[str, Damage] = {}
HOSTILE: dict[str, Damage] = {}  # what only the runtime can judge
BYTES: dict[str, Callable[[bytes, random.Random], bytes]] = {}


def says(key: str, text: str | bytes) -> Damage:
    def damage(model, chance):
        if isinstance(text, bytes):  # protobuf's Python takes no text that is not UTF-8: written into the bytes
            place = "\x01" * (len(text) + 200)
            says(key, place)(model, chance)
            return model.SerializeToString().replace(place.encode(), text + b"x" * 200)
        kept = {entry.key: entry.value for entry in model.metadata_props if entry.key != key}
        helper.set_model_props(model, {**kept, key: text})
        return None

    return damage


def without(key: str) -> Damage:
    def damage(model, chance):
        kept = {entry.key: entry.value for entry in model.metadata_props if entry.key != key}
        helper.set_model_props(model, kept)

    return damage


for key in ("classes", "mean", "std", "image_size", "resize_rule"):
    METADATA[f"no {key}"] = without(key)
    METADATA[f"{key} is empty"] = says(key, "")
    METADATA[f"{key} is not UTF-8"] = says(key, b'["\xff\xfe"]')
    METADATA[f"{key} is garbage"] = says(key, "\x1b[31m{]")
for key, texts in {
    "classes": [
        json.dumps(["a"] * 9), json.dumps(["a"] * 11), "[]", json.dumps(list(range(10))), json.dumps([None] * 10),
        "[" * 1000 + "]" * 1000, "[" * 200_000, json.dumps(dict.fromkeys("abcdefghij")), '["a", "b"',
        json.dumps(["x" * 100_000] * 10), json.dumps(["a"] * 200_000), json.dumps([["a"]] * 10), "10", "null",
    ],
    "mean": [
        "[NaN, 0, 0]", "[1e400, 0, 0]", "[0.5, 0.5]", "[0.5]", "0.5", '["a", "b", "c"]', "[true, true, true]",
        "[null, 0, 0]", "[1e30, 0, 0]", "[" + "9" * 5000 + ", 0, 0]", "[[0.5], 0, 0]", "[" * 1000 + "]" * 1000,
    ],
    "std": [
        "[0, 0.2, 0.2]", "[-0.2, 0.2, 0.2]", "[1e-300, 0.2, 0.2]", "[NaN, NaN, NaN]", "[Infinity, 1, 1]",
        "[-0.0, 1, 1]", "[0.2, 0.2, 0.2, 0.2]", "{}", '"0.2"', "[1e-45, 1e-45, 1e-45]",
    ],
    "image_size": [
        "100000x100000", "0x0", "-8x8", "8", "8x", "8x8x8", "9x8", "8.0x8.0", "٨x٨", " 8x8 ", "9" * 5000 + "x8", "axb",
    ],
    "resize_rule": ["squash", RESIZE_RULE + " ", RESIZE_RULE.upper()],
    "schema": ["2", "", "1.0", "one " * 50_000],
    "weights_sha256": ["0" * 64, "x", "A" * 64, "0" * 10_000],
    "graph_digest": ["not a digest"],
    "architecture": ["x" * 100_000],
}.items():  # fmt: skip
    METADATA |= {f"{key} is {text[:24]}": says(key, text) for text in texts}
METADATA["escapes in class names"] = says("classes", json.dumps([f"\x1b[31m{n}\r\n" for n in range(10)]))


def damages(kind: dict, name: str):
    def register(damage):
        kind[name] = damage
        return damage

    return register


def first(model, op_type: str):
    return next(node for node in model.graph.node if node.op_type == op_type)


def with_attribute(op_type: str, name: str, value) -> Damage:
    def damage(model, chance):
        node = first(model, op_type)
        kept = [attribute for attribute in node.attribute if attribute.name != name]
        del node.attribute[:]
        node.attribute.extend(kept if value is None else [*kept, helper.make_attribute(name, value)])

    return damage


@damages(METADATA, "a key twice")
def _twice(model, chance):
    model.metadata_props.append(chance.choice(model.metadata_props))


@damages(METADATA, "no metadata")
def _none(model, chance):
    del model.metadata_props[:]


def _dim(model, values: str, place: int, size: int | None, name: str = ""):
    dim = getattr(model.graph, values)[0].type.tensor_type.shape.dim[place]
    dim.Clear()
    if size is not None:
        dim.dim_value = size
    elif name:
        dim.dim_param = name


def simple(change: Callable) -> Damage:
    def damage(model, chance):
        change(model)

    return damage


graph_changes: dict[str, Callable] = {
    "input renamed": lambda m: setattr(m.graph.input[0], "name", "picture"),
    "a second input": lambda m: m.graph.input.append(helper.make_tensor_value_info("more", 1, ["N", 3])),
    "output renamed": lambda m: setattr(m.graph.output[0], "name", "scores"),
    "a second output": lambda m: m.graph.output.append(helper.make_tensor_value_info("stem", 1, None)),
    "no inputs": lambda m: m.graph.ClearField("input"),
    "no outputs": lambda m: m.graph.ClearField("output"),
    "input of int64": lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.INT64),
    "output of double": lambda m: setattr(m.graph.output[0].type.tensor_type, "elem_type", TensorProto.DOUBLE),
    "input without a type": lambda m: m.graph.input[0].ClearField("type"),
    "input of rank 3": lambda m: m.graph.input[0].type.tensor_type.shape.dim.pop(),
    "output of rank 1": lambda m: m.graph.output[0].type.tensor_type.shape.dim.pop(),
    "batch of 1": lambda m: _dim(m, "input", 0, 1),
    "no channels": lambda m: _dim(m, "input", 1, 0),
    "negative height": lambda m: _dim(m, "input", 2, -8),
    "enormous width": lambda m: _dim(m, "input", 3, 2**62),
    "symbolic height": lambda m: _dim(m, "input", 2, None, "H"),
    "one channel": lambda m: _dim(m, "input", 1, 1),
    "other classes": lambda m: _dim(m, "output", 1, 7),
    "unknown operator": lambda m: setattr(m.graph.node[0], "op_type", "Convolve"),
    "foreign domain": lambda m: setattr(m.graph.node[0], "domain", "com.microsoft"),
    "domain of escapes": lambda m: setattr(m.graph.node[0], "domain", "\x1b[2J"),
    "a function": lambda m: m.functions.add(name="f", domain="d"),
    "training": lambda m: m.training_info.add(),
    "sparse weights": lambda m: m.graph.sparse_initializer.add(),
    "no nodes": lambda m: m.graph.ClearField("node"),
    "no graph": lambda m: m.ClearField("graph"),
    "no weights": lambda m: m.graph.ClearField("initializer"),
    "a weight is missing": lambda m: m.graph.initializer.pop(0),
    "a weight is short": lambda m: setattr(m.graph.initializer[0], "raw_data", m.graph.initializer[0].raw_data[:-4]),
    "a weight is not whole": lambda m: setattr(m.graph.initializer[0], "raw_data", b"abc"),
    "a weight of int8": lambda m: setattr(m.graph.initializer[0], "data_type", TensorProto.INT8),
    "a weight of no type": lambda m: setattr(m.graph.initializer[0], "data_type", 99),
    "a weight of negative size": lambda m: m.graph.initializer[0].dims.__setitem__(0, -1),
    "a weight of enormous size": lambda m: m.graph.initializer[0].dims.__setitem__(0, 2**40),
    "a weight twice": lambda m: m.graph.initializer.append(m.graph.initializer[0]),
    "a dangling node": lambda m: m.graph.node[1].input.__setitem__(0, "nowhere"),
    "a cycle": lambda m: m.graph.node[0].input.__setitem__(0, m.graph.node[1].output[0]),
    "nodes backwards": lambda m: _reversed(m.graph.node),
    "the last node is missing": lambda m: m.graph.node.pop(),
    "a value twice": lambda m: m.graph.node[1].output.__setitem__(0, m.graph.node[0].output[0]),
    "opset 99": lambda m: setattr(m.opset_import[0], "version", 99),
    "opset 0": lambda m: setattr(m.opset_import[0], "version", 0),
    "no opset": lambda m: m.ClearField("opset_import"),
    "ir 999": lambda m: setattr(m, "ir_version", 999),
    "weights of 1e38": lambda m: _fill(m, "fc.weight", 1e38),
    "weights of NaN": lambda m: _fill(m, "fc.weight", math.nan),
    "weights of infinity": lambda m: _fill(m, "fc.weight", math.inf),
    "negative variance": lambda m: _fill(m, "stem.bn.running_var", -9.0),
}
STRUCTURE |= {name: simple(change) for name, change in graph_changes.items()}
STRUCTURE |= {
    f"{op_type} {name}={value}": with_attribute(op_type, name, value)
    for op_type, name, value in (
        ("Conv", "strides", [0, 0]), ("Conv", "kernel_shape", [9999, 9999]), ("Conv", "group", 0), ("Conv", "group", 7),
        ("Conv", "pads", [-9, -9, -9, -9]), ("Conv", "pads", [1 << 30] * 4), ("Conv", "dilations", [1 << 40, 1]),
        ("Conv", "strides", None), ("Conv", "kernel_shape", "text"), ("Gemm", "transB", 0), ("Gemm", "alpha", math.nan),
        ("BatchNormalization", "epsilon", math.nan), ("BatchNormalization", "epsilon", -1e9),
        ("BatchNormalization", "training_mode", 1), ("Flatten", "axis", 9),
    )
}  # fmt: skip


def _reversed(nodes) -> None:
    turned = list(nodes)[::-1]
    del nodes[:]
    nodes.extend(turned)


def _fill(model, name: str, value: float) -> None:
    """Every value of a weight, which stays what `weights_sha256` says only where that is left out."""
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.raw_data = np.full(tuple(tensor.dims), value, np.float32).tobytes()
    without("weights_sha256")(model, None)


@damages(STRUCTURE, "external data")
def _external(model, chance):
    tensor = chance.choice(model.graph.initializer)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=chance.choice(["/etc/passwd", "../../x", "weights.bin"]))
    tensor.ClearField("raw_data")


@damages(STRUCTURE, "another weight")
def _weight(model, chance):
    """One bit of one weight: today's file would answer with another class at 100 %."""
    tensor = chance.choice([tensor for tensor in model.graph.initializer if tensor.doc_string])
    raw = bytearray(tensor.raw_data)
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(7)
    tensor.raw_data = bytes(raw)


def enormous(op_type: str, constants: list[np.ndarray], **attributes) -> Damage:
    """An operator between the image and the rest, which asks for terabytes."""

    def damage(model, chance):
        names = []
        for place, array in enumerate(constants):
            names.append(f"hostile{place}")
            model.graph.initializer.append(numpy_helper.from_array(array, names[-1]))
        inputs = names if op_type == "ConstantOfShape" else ["image", *names]
        nodes = [
            helper.make_node(op_type, inputs, ["large"], **attributes),
            helper.make_node("ReduceMean", ["large"], ["small"], keepdims=0),
            helper.make_node("Add", ["image", "small"], ["sum"]),
        ]
        _before(model, nodes, "sum")

    return damage


def _before(model, nodes, name: str) -> None:
    for node in model.graph.node:
        node.input[:] = [name if given == "image" else given for given in node.input]
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])


HOSTILE["ConstantOfShape"] = enormous("ConstantOfShape", [np.array([1 << 20, 1 << 20, 4])])
HOSTILE["ConstantOfShape negative"] = enormous("ConstantOfShape", [np.array([-5, 3])])
HOSTILE["Expand"] = enormous("Expand", [np.array([1 << 20, 1 << 14, 3, 8, 8])])
HOSTILE["Tile"] = enormous("Tile", [np.array([1 << 16, 1 << 10, 1 << 8, 1])])
HOSTILE["Pad"] = enormous("Pad", [np.array([0, 0, 1 << 20, 1 << 20, 0, 0, 1 << 20, 1 << 20])])


@damages(HOSTILE, "a loop without end")
def _loop(model, chance):
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in
         (("i", TensorProto.INT64, []), ("on", TensorProto.BOOL, []), ("x", TensorProto.FLOAT, None))],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, []), helper.make_tensor_value_info("y", 1, None)],
    )  # fmt: skip
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "always"))
    _before(model, [helper.make_node("Loop", ["", "always", "image"], ["looped"], body=body)], "looped")


@damages(HOSTILE, "graphs inside graphs")
def _nested(model, chance):
    inner = helper.make_graph([helper.make_node("Identity", ["image"], ["out"])], "g", [], [])
    for _ in range(12):  # protobuf itself refuses some thirty
        inner = helper.make_graph([helper.make_node("If", ["yes"], ["out"], then_branch=inner)], "g", [], [])
    _before(model, [helper.make_node("If", ["yes"], ["deep"], then_branch=inner, else_branch=inner)], "deep")


def _flipped(content: bytes, chance: random.Random, count: int) -> bytes:
    changed = bytearray(content)
    for _ in range(count):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _spliced(content: bytes, chance: random.Random, take: int, put: bytes) -> bytes:
    place = chance.randrange(len(content))
    return content[:place] + put + content[place + take :]


BYTES |= {f"{count} bits": partial(_flipped, count=count) for count in (1, 3, 10, 100, 1000)}
BYTES |= {
    "truncated": lambda content, chance: content[: chance.randrange(1, len(content))],
    "its head": lambda content, chance: content[: chance.randrange(1, 64)],
    "zeros inside": partial(_spliced, take=512, put=bytes(512)),
    "bytes taken out": partial(_spliced, take=7, put=b""),
    "bytes put in": partial(_spliced, take=0, put=b"\xff" * 9),
    "twice": lambda content, chance: content * 2,
    "empty": lambda content, chance: b"",
    "text": lambda content, chance: b"no model at all\n" * 9,
    "noise": lambda content, chance: chance.randbytes(5000),
    "compressed": lambda content, chance: gzip.compress(content),
    "an endless number": lambda content, chance: b"\x08" + b"\xff" * 1000,
    "groups in groups": lambda content, chance: b"\x3b" * 10_000,
    "a length beyond its end": lambda content, chance: b"\x3a\xff\xff\xff\xff\x07" + content,
}
