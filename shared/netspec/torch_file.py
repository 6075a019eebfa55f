"""Reads the tensors of a saved PyTorch state dict, without PyTorch and without running anything.

`torch.save` writes a zip archive: a pickle `data.pkl` that says which part of which storage each tensor is, and one raw
entry per storage. Other classes and functions in the pickle stay names.
"""

import math
import os
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from diptych.errors import WeightsError
from netspec.pickled import Named, PickleError, Unpickler

LARGEST_PICKLE = 64 * 2**20  # bytes; the pickle of a thousand tensors has about a hundred thousand
DTYPES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
STATES = ("state_dict", "model_state_dict", "model")  # names of the network's part in checkpoints


@dataclass(frozen=True)
class Storage:
    dtype: str
    key: str
    count: int


@dataclass(frozen=True)
class View:
    """A tensor, as part of a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_state_dict(path: str) -> dict[str, tuple[str, np.ndarray]]:
    """Every tensor by name, with the name of its dtype; bfloat16 is returned as raw bits, uint16.

    Raises `WeightsError` for a file without a state dict. A damaged archive may raise any exception.
    """
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        top = next((name.removesuffix("data.pkl") for name in entries if name.rpartition("/")[2] == "data.pkl"), None)
        if top is None:
            raise WeightsError(f"{path} is a zip archive that torch.save did not write")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise WeightsError(f"{path} is compressed; torch.save does not compress, so pack it without compression")
        size = os.path.getsize(path)
        if sum(entry.file_size for entry in entries.values()) > size:
            raise WeightsError(f"{path} is damaged: its entries are larger than the file")
        if entries[f"{top}data.pkl"].file_size > LARGEST_PICKLE:
            raise WeightsError(f"{path} lists more entries than a network has tensors")
        state = _state(unpickled(archive.read(f"{top}data.pkl")), path)
        big = f"{top}byteorder" in entries and archive.read(f"{top}byteorder") == b"big"
        if sum(math.prod(view.shape) for view in state.values()) > size:  # a number has at least one byte
            raise WeightsError(f"{path} is damaged: its tensors are larger than the file")
        stored = {key: archive.read(f"{top}data/{key}") for key in {view.storage.key for view in state.values()}}
        return {name: (view.storage.dtype, _array(view, stored[view.storage.key], big)) for name, view in state.items()}


def _state(value: Any, path: str) -> dict[str, View]:
    """The state dict in a file, directly or inside a checkpoint."""
    if isinstance(value, Named):
        raise WeightsError(f"{path} is a Python object ({value.name!r}), not a state dict: save model.state_dict()")
    for key in STATES:
        if isinstance(value, dict) and isinstance(value.get(key), dict):
            value = value[key]
    if not isinstance(value, dict) or not value:
        raise WeightsError(f"{path} is not a state dict (a dictionary of tensors by name): save model.state_dict()")
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, View):
            raise WeightsError(f"{path} is not a state dict: {name!r} is not a tensor")
    return value


def _array(view: View, stored: bytes, big: bool) -> np.ndarray:
    kind = np.dtype("uint16" if view.storage.dtype == "bfloat16" else view.storage.dtype)
    flat = np.frombuffer(stored, kind.newbyteorder(">" if big else "<"), view.storage.count)
    numbers: list[int] = [view.offset, *view.shape, *view.strides]
    last = view.offset + sum((size - 1) * step for size, step in zip(view.shape, view.strides, strict=True))
    count = math.prod(view.shape)
    if min(numbers) < 0 or count > len(flat) or (count and last >= len(flat)):
        raise ValueError("a tensor reaches beyond its storage")
    strides = tuple(stride * kind.itemsize for stride in view.strides)
    array = np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides)
    return np.array(array, kind)  # a copy, so that the caller may write to it


def unpickled(data: bytes) -> Any:
    """The value of a pickle. All but numbers, texts, tuples, lists, dictionaries and tensors stay names."""
    return _Unpickler().read(data)


class _Unpickler(Unpickler):
    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        match name, arguments:
            case "collections.OrderedDict", ():
                return {}
            case "torch._utils._rebuild_tensor_v2", (storage, offset, shape, strides, *_):
                return _view(storage, offset, shape, strides)
            case "torch._utils._rebuild_parameter", (tensor, *_):
                return tensor
        return Named(name)

    def set_state(self, value: Any, state: Any) -> None:
        """Ignore the state of a checkpoint's other objects, and the metadata of a state dict."""

    def stored(self, entry: Any) -> Storage:
        match entry:
            case ("storage", Named(kind), str(key), _, int(count)) if count >= 0:
                return Storage(kind.removeprefix("torch."), key, count)
        raise PickleError("an entry that is not a storage")


def _view(storage: Any, offset: Any, shape: Any, strides: Any) -> View | Named:
    if not isinstance(storage, Storage) or storage.dtype not in DTYPES:
        return Named(storage.dtype if isinstance(storage, Storage) else "?")
    if not (isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides) <= 8):
        raise PickleError("a tensor without a shape")
    if not all(type(number) is int for number in (offset, *shape, *strides)):
        raise PickleError("a tensor without a shape")
    return View(Storage(DTYPES[storage.dtype], storage.key, storage.count), offset, shape, strides)
