"""Keeps arrays that wait for a comparison. Large ones go to a temporary file, so that they take no memory."""

import math
from collections.abc import Iterable, Iterator, Mapping
from tempfile import SpooledTemporaryFile
from typing import NamedTuple

import numpy as np

IN_MEMORY = 2**25  # above this many bytes in all, arrays go to a file


class _Place(NamedTuple):
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype


class Spool(Mapping[str, np.ndarray]):
    """A mapping from names to arrays. Each array is written once and read again at every access."""

    def __init__(self, arrays: Iterable[tuple[str, np.ndarray]]) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  it lives as long as the mapping
        self._places: dict[str, _Place] = {}
        for name, array in arrays:
            self._places[name] = _Place(self._file.tell(), array.shape, array.dtype)
            self._file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def __getitem__(self, name: str) -> np.ndarray:
        place = self._places[name]
        array = np.empty(math.prod(place.shape), place.dtype)
        self._file.seek(place.offset)
        self._file.readinto(array.view(np.uint8).data)
        return array.reshape(place.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
