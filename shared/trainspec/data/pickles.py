"""Pickles of plain data, read without `pickle`: nothing is called or constructed but what this file names.

A pickle is a program. This one runs it on a stack of bytes, text, numbers, lists and dictionaries. The one object that
CIFAR's files have, a NumPy array, stays a record of its shape, type and bytes, which are checked before they become an
array. Every other object is refused by its name.
"""

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_OPERATIONS = 2_000_000  # CIFAR-100's training file has 0.2 million
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")


class PickleError(ValueError):
    """Not a pickle of plain data."""


@dataclass
class Array:
    """What an array was pickled as: `typestr` as NumPy writes it (`u1`), `content` its bytes in C order."""

    shape: tuple[int, ...] = ()
    typestr: str = ""
    content: bytes = b""

    def rows(self, columns: int) -> NDArray[np.uint8]:
        """As uint8 `(N, columns)`. Raises `PickleError` where it is not that."""
        if self.typestr not in ("u1", "|u1") or len(self.shape) != 2 or self.shape[1] != columns:
            raise PickleError(f"an array {self.shape} of {self.typestr!r} where uint8 rows of {columns} belong")
        if self.shape[0] < 1 or len(self.content) != self.shape[0] * columns:
            raise PickleError("an array of another size than its shape")
        return np.frombuffer(self.content, np.uint8).reshape(self.shape)


@dataclass(frozen=True)
class _Name:
    """A global by its name; it is never looked up."""

    module: str
    name: str


@dataclass(frozen=True)
class _Type:
    typestr: str


_MARK = object()
_BYTES = {"STRING", "BINSTRING", "SHORT_BINSTRING"}  # Python 2's text, which CIFAR's keys and names are
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    *("INT", "LONG", "BININT", "BININT1", "BININT2", "LONG1", "FLOAT", "BINFLOAT"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickle(content: bytes) -> Any:
    """The value of a pickle: bytes, text, numbers, None, lists, tuples and dictionaries of them, and `Array`.

    Raises `PickleError` for anything else, and whatever `pickletools` raises for what is not a pickle.
    """
    machine = _Machine()
    for number, (operation, argument, _) in enumerate(pickletools.genops(io.BytesIO(content))):
        if number >= MAX_OPERATIONS:
            raise PickleError("too many operations")
        if operation.name == "STOP":
            return machine.pop()
        machine.run(operation.name, argument)
    raise PickleError("no end")


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, name: str, argument: Any) -> None:
        """One operation. Raises `PickleError` for one that plain data do not need."""
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _BYTES:
            self.stack.append(argument.encode("latin-1"))
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in _SHORT_TUPLES:
            items = [self.pop() for _ in range(_SHORT_TUPLES[name])]
            self.stack.append(tuple(reversed(items)))
        elif name not in ("PROTO", "FRAME"):
            operation = getattr(self, f"_{name.lower()}", None)
            if operation is None:
                raise PickleError(f"{name} is not allowed")
            operation() if argument is None else operation(argument)

    def top(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise PickleError("an empty stack")
        return self.stack[-1]

    def pop(self) -> Any:
        value = self.top()
        self.stack.pop()
        return value

    def since_mark(self) -> list[Any]:
        items: list[Any] = []
        while self.stack and self.stack[-1] is not _MARK:
            items.append(self.stack.pop())
        if not self.stack:
            raise PickleError("no mark")
        self.stack.pop()
        return items[::-1]

    def container(self, kind: type) -> Any:
        value = self.top()
        if type(value) is not kind:
            raise PickleError(f"a {type(value).__name__} where a {kind.__name__} belongs")
        return value

    def _mark(self) -> None:
        self.stack.append(_MARK)

    def _memoize(self) -> None:
        self.memo[len(self.memo)] = self.top()

    def _pop(self) -> None:
        self.stack.pop()

    def _pop_mark(self) -> None:
        self.since_mark()

    def _tuple(self) -> None:
        self.stack.append(tuple(self.since_mark()))

    def _list(self) -> None:
        self.stack.append(self.since_mark())

    def _dict(self) -> None:
        items = self.since_mark()
        self.stack.append({})
        self._update(items)

    def _append(self) -> None:
        value = self.pop()
        self.container(list).append(value)

    def _appends(self) -> None:
        items = self.since_mark()
        self.container(list).extend(items)

    def _setitem(self) -> None:
        value, key = self.pop(), self.pop()
        self._update([key, value])

    def _setitems(self) -> None:
        self._update(self.since_mark())

    def _update(self, items: list[Any]) -> None:
        keys, values = items[::2], items[1::2]
        if len(keys) != len(values) or not all(isinstance(key, bytes | str | int) for key in keys):
            raise PickleError("a dictionary of other keys than text")
        self.container(dict).update(zip(keys, values, strict=True))

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(_Name(module, name))

    def _stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        self.stack.append(_Name(str(module), str(name)))

    def _reduce(self) -> None:
        arguments, what = self.pop(), self.pop()
        if not isinstance(what, _Name):
            raise PickleError("a call of what is not a name")
        if not isinstance(arguments, tuple):
            raise PickleError("a call without arguments")
        self.stack.append(_called(what, arguments))

    def _build(self) -> None:
        state, value = self.pop(), self.top()
        if isinstance(value, _Type):
            return  # byte order and alignment, which one byte does not have
        if not isinstance(value, Array) or value.typestr:
            raise PickleError("a state for what has none")
        match state:
            case (int(), tuple(shape), _Type(typestr), False | 0, bytes(content)) if all(
                type(length) is int and length >= 0 for length in shape
            ):
                value.shape, value.typestr, value.content = shape, typestr, content
            case _:
                raise PickleError("an array of another state than numbers in C order")


def _called(what: _Name, arguments: tuple[Any, ...]) -> Any:
    """What the few allowed calls make."""
    match (what.module, what.name), arguments:
        case (module, "_reconstruct"), (_Name("numpy", "ndarray"), _, _) if module in _NUMPY:
            return Array()
        case ("numpy", "dtype"), (bytes() | str() as typestr, *_):
            return _Type(typestr.decode("latin-1") if isinstance(typestr, bytes) else typestr)
        case ("_codecs", "encode"), (str(text), "latin1" | "latin-1" | b"latin1"):
            return text.encode("latin-1")  # how Python 3 writes bytes in the old protocols
        case ("__builtin__" | "builtins", "bytes"), ():
            return b""
        case (module, name), _:
            raise PickleError(f"{module}.{name} is not allowed")
