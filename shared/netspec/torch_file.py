"""The tensors of a state dict that PyTorch saved, without PyTorch and without running anything.

`torch.save` writes a zip archive: `data.pkl`, a pickle that says which tensor is which part of which storage, and
one raw entry a storage. The pickle's opcodes are read here one by one, and make nothing but plain values; what it
says of other classes and functions stays a name.
"""

import math
import os
import pickletools
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netspec.errors import WeightsError

LARGEST_PICKLE = 64 * 2**20  # bytes; that of a thousand tensors has about a hundred thousand
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
STATES = ("state_dict", "model_state_dict", "model")  # what checkpoints call the network's part


@dataclass(frozen=True)
class Named:
    """A class, a function, or what one of them would have made."""

    name: str


@dataclass(frozen=True)
class Storage:
    dtype: str
    key: str
    count: int


@dataclass(frozen=True)
class View:
    """A tensor: part of a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_state_dict(path: str) -> dict[str, tuple[str, np.ndarray]]:
    """Every tensor by its name, with the name of its dtype; bfloat16 comes as its bits, uint16.

    Raises `WeightsError` for what holds no state dict, and anything at all for a damaged archive.
    """
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        top = next((name.removesuffix("data.pkl") for name in entries if name.rpartition("/")[2] == "data.pkl"), None)
        if top is None:
            raise WeightsError(f"{path} is a zip archive, but not one of torch.save")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise WeightsError(f"{path} is compressed, as torch.save never does")
        size = os.path.getsize(path)
        if sum(entry.file_size for entry in entries.values()) > size:
            raise WeightsError(f"{path} is damaged: its entries are larger than the file")
        if entries[f"{top}data.pkl"].file_size > LARGEST_PICKLE:
            raise WeightsError(f"{path} lists more than the tensors of any network")
        state = _state(unpickled(archive.read(f"{top}data.pkl")), path)
        big = f"{top}byteorder" in entries and archive.read(f"{top}byteorder") == b"big"
        if sum(math.prod(view.shape) for view in state.values()) > size:  # a number has a byte at least
            raise WeightsError(f"{path} is damaged: its tensors are larger than the file")
        stored = {key: archive.read(f"{top}data/{key}") for key in {view.storage.key for view in state.values()}}
        return {name: (view.storage.dtype, _array(view, stored[view.storage.key], big)) for name, view in state.items()}


def _state(value: Any, path: str) -> dict[str, View]:
    """The state dict that a file holds, or a checkpoint in it."""
    if isinstance(value, Named):
        raise WeightsError(f"{path} holds a Python object ({value.name!r}), not a state dict: save model.state_dict()")
    for key in STATES:
        if isinstance(value, dict) and isinstance(value.get(key), dict):
            value = value[key]
    if not isinstance(value, dict) or not value:
        raise WeightsError(f"{path} holds no state dict, tensors by their names")
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, View):
            raise WeightsError(f"{path} holds no state dict: {name!r} is not a tensor")
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
    return np.array(array, kind)  # a copy, which its owner may write to


def unpickled(data: bytes) -> Any:
    """The value of a pickle, where all but numbers, texts, tuples, lists and dictionaries stays a name."""
    return _Machine(pickletools.genops(data)).run()


class _Machine:
    """Pickle's machine of a stack and a memo, without the opcodes that look anything up."""

    def __init__(self, opcodes: Iterator[tuple[Any, Any, int | None]]) -> None:
        self.opcodes = opcodes
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        for opcode, argument, _ in self.opcodes:
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in CONSTANTS:
                self.stack.append(CONSTANTS[opcode.name]())
            elif opcode.name in LITERALS:
                self.stack.append(argument)
            elif opcode.name in STEPS:
                STEPS[opcode.name](self, argument)
            else:
                raise ValueError(f"its pickle has the opcode {opcode.name}")
        raise ValueError("its pickle has no end")

    def pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("its pickle takes more than it made")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def drop(self) -> None:
        """A state that would be given to what is below it."""
        self.pop(1)

    def marked(self) -> list[Any]:
        return self.pop(len(self.stack) - self.marks.pop())

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def tuple_of(self, values: list[Any]) -> None:
        self.stack.append(tuple(values))

    def set_items(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], dict):
            for key, value in zip(values[::2], values[1::2], strict=True):
                if not isinstance(key, str | int):
                    raise ValueError("its pickle has a key that is not a text")
                self.stack[-1][key] = value

    def extend(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def name(self, module: Any, name: Any) -> None:
        self.stack.append(Named(f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else "?"))

    def call(self) -> None:
        function, arguments = self.pop(2)
        name = function.name if isinstance(function, Named) else "?"
        made: Any = Named(name)
        if isinstance(arguments, tuple):
            if name == "collections.OrderedDict" and not arguments:
                made = {}
            elif name == "torch._utils._rebuild_tensor_v2" and len(arguments) >= 4:
                made = _view(*arguments[:4])
            elif name == "torch._utils._rebuild_parameter" and arguments:
                made = arguments[0]
        self.stack.append(made)

    def persistent(self) -> None:
        (entry,) = self.pop(1)
        if not (isinstance(entry, tuple) and len(entry) == 5 and entry[0] == "storage"):
            raise ValueError("its pickle has an entry that is not a storage")
        _, kind, key, _, count = entry
        if not (isinstance(kind, Named) and isinstance(key, str) and type(count) is int and count >= 0):
            raise ValueError("its pickle has an entry that is not a storage")
        self.stack.append(Storage(kind.name.removeprefix("torch."), key, count))


def _view(storage: Any, offset: Any, shape: Any, strides: Any) -> View | Named:
    if not isinstance(storage, Storage) or storage.dtype not in DTYPES:
        return Named(storage.dtype if isinstance(storage, Storage) else "?")
    if not (isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides) <= 8):
        raise ValueError("its pickle has a tensor without a shape")
    if not all(type(number) is int for number in (offset, *shape, *strides)):
        raise ValueError("its pickle has a tensor without a shape")
    return View(Storage(DTYPES[storage.dtype], storage.key, storage.count), offset, shape, strides)


CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "SHORT_BINSTRING"),
}
STEPS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": lambda machine, _: machine.put(len(machine.memo)),
    "BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "TUPLE": lambda machine, _: machine.tuple_of(machine.marked()),
    "TUPLE1": lambda machine, _: machine.tuple_of(machine.pop(1)),
    "TUPLE2": lambda machine, _: machine.tuple_of(machine.pop(2)),
    "TUPLE3": lambda machine, _: machine.tuple_of(machine.pop(3)),
    "SETITEM": lambda machine, _: machine.set_items(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.marked()),
    "APPEND": lambda machine, _: machine.extend(machine.pop(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.marked()),
    "GLOBAL": lambda machine, name: machine.name(*name.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.pop(2)),
    "REDUCE": lambda machine, _: machine.call(),
    "NEWOBJ": lambda machine, _: machine.call(),
    "BINPERSID": lambda machine, _: machine.persistent(),
    "BUILD": lambda machine, _: machine.drop(),
}
