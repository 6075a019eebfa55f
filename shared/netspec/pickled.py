"""Reads pickles without `pickle`: nothing is called, looked up or constructed.

A pickle is a program. `Unpickler` runs it on a stack of bytes, text, numbers, lists, tuples and dictionaries. A
subclass builds the few other objects that a kind of file needs from their names and arguments.
"""

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

MAX_OPERATIONS = 2_000_000  # CIFAR-100's training file has 0.2 million; a state dict of a thousand tensors has fewer

T = TypeVar("T")


class PickleError(ValueError):
    """The content is not a pickle of plain data."""


@dataclass(frozen=True)
class Named:
    """A class, a function or an object made by one: `module.name`. The name is never looked up."""

    name: str


_MARK = object()
_VALUES = {
    *("INT", "LONG", "BININT", "BININT1", "BININT2", "LONG1", "FLOAT", "BINFLOAT"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
}
_BYTES = {"STRING", "BINSTRING", "SHORT_BINSTRING"}  # Python 2's text, as in CIFAR's keys and names
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Unpickler:
    """Reads one pickle of bytes, text, numbers, None, lists, tuples, dictionaries and what a subclass makes."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """The value to use for a call of `module.name`."""
        raise PickleError(f"{name} is not allowed")

    def set_state(self, value: Any, state: Any) -> None:
        """Set the state of an object that `call` made."""
        raise PickleError("a state for an object that cannot have one")

    def stored(self, entry: Any) -> Any:
        """The value to use for an entry stored outside the pickle."""
        raise PickleError("an entry stored outside the pickle")

    def read(self, content: bytes) -> Any:
        """The value of a pickle. Raises `PickleError`, or what `pickletools` raises if the content is not a pickle."""
        for number, (operation, argument, _) in enumerate(pickletools.genops(io.BytesIO(content))):
            if number >= MAX_OPERATIONS:
                raise PickleError("too many operations")
            if operation.name == "STOP":
                return self._take()
            self._run(operation.name, argument)
        raise PickleError("it has no end")

    def _run(self, name: str, argument: Any) -> None:
        """Run one operation. Raises `PickleError` for an operation that plain data do not need."""
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _BYTES:
            self.stack.append(argument.encode("latin-1"))
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self._top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in _SHORT_TUPLES:
            items = [self._take() for _ in range(_SHORT_TUPLES[name])]
            self.stack.append(tuple(reversed(items)))
        elif name not in ("PROTO", "FRAME"):
            operation = getattr(self, f"_{name.lower()}", None)
            if operation is None:
                raise PickleError(f"{name} is not allowed")
            operation() if argument is None else operation(argument)

    def _top(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise PickleError("an empty stack")
        return self.stack[-1]

    def _take(self) -> Any:
        value = self._top()
        self.stack.pop()
        return value

    def _since_mark(self) -> list[Any]:
        items: list[Any] = []
        while self.stack and self.stack[-1] is not _MARK:
            items.append(self.stack.pop())
        if not self.stack:
            raise PickleError("a mark is missing")
        self.stack.pop()
        return items[::-1]

    def _mark(self) -> None:
        self.stack.append(_MARK)

    def _memoize(self) -> None:
        self.memo[len(self.memo)] = self._top()

    def _pop(self) -> None:
        self.stack.pop()

    def _pop_mark(self) -> None:
        self._since_mark()

    def _tuple(self) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _list(self) -> None:
        self.stack.append(self._since_mark())

    def _dict(self) -> None:
        items = self._since_mark()
        self.stack.append({})
        self._update(items)

    def _append(self) -> None:
        self._extend([self._take()])

    def _appends(self) -> None:
        self._extend(self._since_mark())

    def _setitem(self) -> None:
        value, key = self._take(), self._take()
        self._update([key, value])

    def _setitems(self) -> None:
        self._update(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        self._container(list).extend(items)

    def _update(self, items: list[Any]) -> None:
        keys, values = items[::2], items[1::2]
        if len(keys) != len(values) or not all(isinstance(key, bytes | str | int) for key in keys):
            raise PickleError("a dictionary with keys that are not text or whole numbers")
        self._container(dict).update(zip(keys, values, strict=True))

    def _container(self, kind: type[T]) -> T:
        """The container to fill. A `Named` object gets a throwaway one, because its content is not used."""
        value = self._top()
        if type(value) is Named:
            return kind()
        if type(value) is not kind:
            raise PickleError(f"a {type(value).__name__} where a {kind.__name__} belongs")
        return value

    def _global(self, argument: str) -> None:
        self.stack.append(Named(argument.replace(" ", ".", 1)))

    def _stack_global(self) -> None:
        name, module = self._take(), self._take()
        self.stack.append(Named(f"{module}.{name}"))

    def _reduce(self) -> None:
        arguments, what = self._take(), self._take()
        if not isinstance(what, Named):
            raise PickleError("a call of something that is not a name")
        if not isinstance(arguments, tuple):
            raise PickleError("a call without arguments")
        self.stack.append(self.call(what.name, arguments))

    _newobj = _reduce

    def _build(self) -> None:
        state, value = self._take(), self._top()
        self.set_state(value, state)

    def _binpersid(self) -> None:
        self.stack.append(self.stored(self._take()))
