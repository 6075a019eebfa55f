"""Checks an ONNX file before any runtime loads it: its hashes, its metadata, its inputs and outputs.

A file that passes has one float32 input `image` (N, C, H, W) and one output `logits` (N, classes). It has no external
data and uses only the standard's operators. Its metadata fit the graph and one another.
"""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.contract import CONTENT_HASH, MOST_PIXELS, Contract
from deploy.errors import ModelError
from deploy.package.manifest import check_content, expected_sha256
from deploy.proto import model_class
from deploy.runs import check_finished, is_package, run_of
from deploy.tensors import FLOAT, UINT8, attributes, check_tensors, check_weights, graphs, is_sparse, shown

LARGEST = 2**31 - 1  # bytes of a protobuf message
GRAPH_KEY = b"graph_digest"  # among the metadata
_STANDARD = ("", "ai.onnx")
_HEAD = 16
_TAGS = bytes.fromhex("08121a2228323a4272a2cad2")  # a ModelProto begins with the tag of a field
_BLANK = b"0" * 64
# The last entry of a file's metadata as protobuf writes it: length, key, value.
_ENTRY = b"\x72\x52\x0a\x0e" + CONTENT_HASH.encode() + b"\x12\x40"
_ENTRY_BYTES = len(_ENTRY) + 64
_SPOILT = 4  # with up to this many damaged bytes, the entry is still recognised
_HASH = re.compile(re.escape(_ENTRY[2:]) + rb"([0-9a-f]{64})")


@dataclass(frozen=True)
class Inspected:
    """A file's bytes and what they say. `hashed`: the file has a hash over all its bytes, and it is correct.

    `input_shape` is `(C, H, W)`; `classes` is the number of logits, or None if the graph does not say it. `batch` is
    the number of images at a time, or None for any number, which the contract asks for.
    """

    content: bytes
    contract: Contract
    hashed: bool
    input_shape: tuple[int, int, int]
    classes: int | None
    batch: int | None = None


def read_model(path: str | os.PathLike[str], *, unfinished: bool = False) -> bytes:
    """The bytes of a model's file, or of `model.onnx` in the folder of a run or of a package.

    In a package, they have the SHA-256 of its manifest. Raises `ModelError` if the file cannot be used or was changed,
    and for the model of an unfinished run unless `unfinished`.
    """
    try:
        place = Path(path)
        mode = os.stat(place).st_mode
        if not unfinished:
            check_finished(run_of(place))
        if stat.S_ISDIR(mode):
            place = place / "model.onnx"
            if not place.is_file():
                hint = "give an ONNX file, or the folder of a run or of a package"
                if is_package(place.parent.parent):
                    hint = f"give the package, {place.parent.parent}"
                raise ModelError(f"{path}: a folder without a model.onnx; {hint}")
            mode = os.stat(place).st_mode
        if not stat.S_ISREG(mode):
            raise ModelError(f"{path}: not an ordinary file; give an ONNX file or the folder of a run")
        if (size := os.stat(place).st_size) > LARGEST:
            raise ModelError(f"{path}: {size / 2**30:.1f} GiB; an ONNX file has at most 2 GiB")
        expected = expected_sha256(place)
        with place.open("rb") as file:
            head = file.read(_HEAD)
            if expected is None and head and head[0] not in _TAGS:  # checked before a large file is read
                raise ModelError(f"{path}: not an ONNX model that runs (its first bytes are not those of one)")
            content = head + file.read(size + 1 - len(head))  # reading takes memory for all that it may read
        if expected is not None:
            check_content(place, content, expected)
        return content
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError) as error:  # a NUL in the name, or not a name at all
        raise ModelError(f"{path!r}: not a valid file name ({error})") from None


def with_content_hash(blank: bytes) -> bytes:
    """Fill in the content hash of a serialized model, over all of its bytes. Its metadata must hold a hash of zeros."""
    place = _hash_place(blank)
    if place is None or blank[place] != _BLANK:
        raise ValueError("no content hash of zeros among the metadata")
    return b"".join((blank[: place.start], _content_hash(blank, place).encode(), blank[place.stop :]))


def _hash_place(content: bytes) -> slice | None:
    last = content.rfind(_ENTRY[2:])  # metadata come after the graph
    match = _HASH.match(content, last) if last >= 0 else None
    return slice(*match.span(1)) if match else None


def _content_hash(content: bytes, place: slice) -> str:
    view = memoryview(content)
    total = hashlib.sha256(view[: place.start])
    total.update(_BLANK)
    total.update(view[place.stop :])
    return total.hexdigest()


def inspect(content: bytes, source: object) -> Inspected:
    """Check a file. Raises `ModelError` for the first problem, in one line that names `source`."""
    return _inspected(_parsed(content, source), content, source)


def inspect_any(content: bytes, source: object) -> Inspected:
    """Check a file of Diptych as `inspect` does, or one of another program: with any operators and one image as input.

    A file of Diptych names its graph in its metadata. Raises `ModelError`, also for tensors that are not in the file.
    """
    model = _parsed(content, source)
    if any(entry.key == GRAPH_KEY for entry in model.metadata_props):
        return _inspected(model, content, source)
    check_tensors(model.graph, source)
    inputs = _inputs(model.graph)
    tensor = inputs[0].type.tensor_type if inputs else None
    if tensor is None or tensor.elem_type != FLOAT or len(tensor.shape.dim) != 4:
        raise ModelError(f"{source}: its first input is not an image, float32 (N, C, H, W)")
    batch = tensor.shape.dim[0]
    fixed = batch.dim_value if batch.HasField("dim_value") else None
    return Inspected(content, Contract(), False, _sizes(tensor, source), None, fixed)


def read_contract(content: bytes, source: object) -> Contract:
    """What the metadata of a file say, whatever its graph takes. Raises `ModelError`."""
    return _contract(_parsed(content, source), source)


def _contract(model: Any, source: object) -> Contract:
    entries = [(_text(entry.key, source), _text(entry.value, source)) for entry in model.metadata_props]
    return Contract.read(entries, source)


def _inspected(model: Any, content: bytes, source: object) -> Inspected:
    contract = _contract(model, source)
    hashed = _check_content(content, contract, source)
    _check_parts(model, source)
    input_shape, classes = _check_values(model.graph, source)
    contract.check_graph(input_shape[0], (input_shape[1], input_shape[2]), classes, source)
    check_tensors(model.graph, source)
    check_weights(model.graph, contract, source)
    return Inspected(content, contract, hashed, input_shape, classes)


def _parsed(content: bytes, source: object) -> Any:
    model = model_class()()
    try:
        if not content:
            raise ValueError("it is empty")
        model.ParseFromString(content)
    except Exception as error:  # protobuf's DecodeError; some versions raise others
        raise ModelError(f"{source}: not an ONNX model that runs ({' '.join(str(error).split())})") from None
    if not model.HasField("graph") or not model.graph.node:
        raise ModelError(f"{source}: not an ONNX model that runs (it has no graph)")
    return model


def _text(value: bytes, source: object) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ModelError(f"{source}: its metadata are not UTF-8") from None


def _check_content(content: bytes, contract: Contract, source: object) -> bool:
    place = _hash_place(content)
    if not contract.content_sha256:
        if sum(map(int.__eq__, content[-_ENTRY_BYTES:], _ENTRY)) < len(_ENTRY) - _SPOILT:
            return False  # it never had one
        place = None
    if place is None or _content_hash(content, place) != contract.content_sha256:
        changed = "it was changed or damaged after it was written"
        raise ModelError(f"{source}: its content does not match its own {CONTENT_HASH}: {changed}")
    return True


def _check_parts(model: Any, source: object) -> None:
    for part in ("functions", "training_info"):
        if len(getattr(model, part)):
            raise ModelError(f"{source}: has {part.replace('_', ' ')}; a model must be one graph of standard operators")
    for graph in graphs(model.graph):
        if len(graph.sparse_initializer) or any(map(is_sparse, attributes(graph))):
            raise ModelError(f"{source}: has sparse weights, which are not supported")
        for node in graph.node:
            domain = shown(node.domain)
            if domain not in _STANDARD:
                raise ModelError(
                    f"{source}: has the operator {domain}.{shown(node.op_type)}, which is not in the ONNX standard"
                )


def _check_values(graph: Any, source: object) -> tuple[tuple[int, int, int], int | None]:
    """Check input and output. Returns `(C, H, W)` of the input and the number of logits, None if it is not stated."""
    inputs = _inputs(graph)
    for kind, name, values, rank, contract in (
        ("input", "image", inputs, 4, "(N, C, H, W)"),
        ("output", "logits", list(graph.output), 2, "(N, classes)"),
    ):
        names = ", ".join(shown(value.name) for value in values[:5]) or "none"
        if len(values) != 1 or shown(values[0].name) != name:
            raise ModelError(f"{source}: has the {kind}s {names}; it must have one {kind} '{name}' {contract}")
        tensor = values[0].type.tensor_type
        if kind == "input" and tensor.elem_type == UINT8:
            raise ModelError(f"{source}: takes raw uint8 images, for servers; give the model of float32")
        if not values[0].type.HasField("tensor_type") or tensor.elem_type != FLOAT:
            raise ModelError(f"{source}: its {kind} '{name}' is not float32")
        if len(tensor.shape.dim) != rank and (kind == "input" or tensor.HasField("shape")):
            raise ModelError(f"{source}: its {kind} '{name}' has {len(tensor.shape.dim)} dimensions, not {contract}")
        if len(tensor.shape.dim) and tensor.shape.dim[0].HasField("dim_value"):
            fixed = f"has a fixed batch of {tensor.shape.dim[0].dim_value}"
            raise ModelError(f"{source}: its {kind} '{name}' {fixed}; it must be {contract} with any N")
    shape = _sizes(inputs[0].type.tensor_type, source)
    last = graph.output[0].type.tensor_type.shape.dim[1:]
    classes = last[0].dim_value if last and last[0].HasField("dim_value") else None
    if classes is not None and classes < 1:
        raise ModelError(f"{source}: has {classes} logits; it must have at least 1")
    return shape, classes


def _inputs(graph: Any) -> list[Any]:
    """The inputs that are not weights, which old files list as inputs, too."""
    given = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in given]


def _sizes(image: Any, source: object) -> tuple[int, int, int]:
    """`(C, H, W)` of an input `(N, C, H, W)`."""
    dims = image.shape.dim[1:]
    channels, height, width = (dim.dim_value for dim in dims)
    if min(channels, height, width) < 1 or max(channels, height, width) > MOST_PIXELS:
        shown = "x".join(str(dim.dim_value) if dim.HasField("dim_value") else "any" for dim in dims)
        raise ModelError(f"{source}: its input takes images of {shown} (CxHxW); each must be 1 to {MOST_PIXELS}")
    return channels, height, width
