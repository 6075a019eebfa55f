"""Read CIFAR's pickles: plain data and NumPy arrays.

An array is read as a record of its shape, type and bytes. They are checked before it becomes a NumPy array.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.pickled import Named, PickleError, Unpickler


@dataclass
class Array:
    """A pickled array. `typestr` is its type as NumPy writes it (`u1`), `content` its bytes in C order."""

    shape: tuple[int, ...] = ()
    typestr: str = ""
    content: bytes = b""

    def rows(self, columns: int) -> NDArray[np.uint8]:
        """The array as uint8 `(N, columns)`. Raises `PickleError` where it has another type or shape."""
        if self.typestr not in ("u1", "|u1") or len(self.shape) != 2 or self.shape[1] != columns:
            raise PickleError(f"an array {self.shape} of {self.typestr!r} instead of uint8 rows of {columns}")
        if self.shape[0] < 1 or len(self.content) != self.shape[0] * columns:
            raise PickleError("an array with a size that does not fit its shape")
        return np.frombuffer(self.content, np.uint8).reshape(self.shape)


@dataclass(frozen=True)
class _Type:
    typestr: str


def read_pickle(content: bytes) -> Any:
    """The value of a pickle: bytes, text, numbers, None, `Array`, and lists, tuples and dictionaries of them.

    Raises `PickleError` for anything else. For bytes that are not a pickle, it raises what `pickletools` raises.
    """
    return _Unpickler().read(content)


class _Unpickler(Unpickler):
    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        match name, arguments:
            case (
                "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct",
                (Named("numpy.ndarray"), _, _),
            ):
                return Array()
            case "numpy.dtype", (bytes() | str() as typestr, *_):
                return _Type(typestr.decode("latin-1") if isinstance(typestr, bytes) else typestr)
            case "_codecs.encode", (str(text), "latin1" | "latin-1" | b"latin1"):
                return text.encode("latin-1")  # in the old protocols, Python 3 writes bytes this way
            case "__builtin__.bytes" | "builtins.bytes", ():
                return b""
        return super().call(name, arguments)

    def set_state(self, value: Any, state: Any) -> None:
        if isinstance(value, _Type):
            return  # byte order and alignment: they do not matter for single bytes
        if not isinstance(value, Array) or value.typestr:
            super().set_state(value, state)
        match state:
            case (int(), tuple(shape), _Type(typestr), False | 0, bytes(content)) if all(
                type(length) is int and length >= 0 for length in shape
            ):
                value.shape, value.typestr, value.content = shape, typestr, content
            case _:
                raise PickleError("an array that is not numbers in C order")
