"""Reads files of tensors from any program: safetensors files and PyTorch state dicts. Writes safetensors files."""

import errno
import json
import os
import re
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from deploy.errors import first_line
from diptych.errors import WeightsError
from netspec.torch_file import read_state_dict

IN_RUN = "weights.safetensors"  # in the folder of a training
LONGEST_NAME = 1000  # characters of a tensor's name
ZIP = b"PK\x03\x04"
OTHERS = {  # the first bytes of other formats
    b"\x89HDF": "is an HDF5 file: load it in Keras, and save the weights with keras_impl.save_weights",
    b"\x80\x02\x8a\x0a": "has the format of PyTorch before 1.6: load it in PyTorch and save its state_dict again",
}


@dataclass(frozen=True)
class TensorFile:
    """The tensors by name, the dtype of each in the file, and the file's metadata.

    Arrays have NumPy's own dtypes; bfloat16 tensors become float32 with the same values.
    """

    tensors: Mapping[str, np.ndarray]
    dtypes: Mapping[str, str]
    metadata: Mapping[str, str]


def save_tensors(tensors: Mapping[str, np.ndarray], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file. Raises `OSError` where the system refuses, which safetensors tells in words only."""
    try:
        save_file({name: np.asarray(array, order="C") for name, array in tensors.items()}, path, metadata)
    except SafetensorError as error:
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else errno.EIO
        raise OSError(number, os.strerror(number)) from error


def read_tensors(path: str | os.PathLike[str]) -> TensorFile:
    """Read a file, or that of a run's folder. Its first bytes, not its name, decide the format.

    Raises `WeightsError` if it cannot be read.
    """
    path = os.fsdecode(path)
    if os.path.isfile(inside := os.path.join(path, IN_RUN)):
        path = inside
    try:
        begin = _beginning(path)
        found, metadata = (read_state_dict(path), {}) if begin == ZIP else _safetensors(path)
    except WeightsError:
        raise
    except Exception as error:  # damaged files make the libraries raise all kinds of exceptions
        reason = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
        raise WeightsError(f"cannot read weights from {path}: {reason}") from None
    if long := next((name for name in found if len(name) > LONGEST_NAME), ""):
        raise WeightsError(f"cannot read weights from {path}: a tensor has a name of {len(long):,} characters")
    tensors = {
        name: (array.astype(np.uint32) << 16).view(np.float32) if dtype == "bfloat16" else array
        for name, (dtype, array) in found.items()
    }
    return TensorFile(tensors, {name: dtype for name, (dtype, _) in found.items()}, metadata)


def _beginning(path: str) -> bytes:
    """The first four bytes of a regular file. Others are refused: reading a pipe would wait forever."""
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise WeightsError(f"cannot read weights from {path}: it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise WeightsError(f"cannot read weights from {path}: it is not a regular file")
    if not status.st_size:
        raise WeightsError(f"cannot read weights from {path}: it is empty")
    with open(path, "rb") as file:
        begin = file.read(4)
    for other, reason in OTHERS.items():
        if begin.startswith(other):
            raise WeightsError(f"{path} {reason}")
    return begin


def _safetensors(path: str) -> tuple[dict[str, tuple[str, np.ndarray]], dict[str, str]]:
    found: dict[str, tuple[str, np.ndarray]] = {}
    with safe_open(path, framework="numpy") as file:
        for name in file.keys():  # noqa: SIM118  # not a mapping
            dtype = DTYPES.get(file.get_slice(name).get_dtype())
            if dtype is None:
                raise WeightsError(f"{path}: {name!r} is {file.get_slice(name).get_dtype()}, which NumPy does not know")
            found[name] = dtype, _bits(path, name) if dtype == "bfloat16" else file.get_tensor(name)
        return found, file.metadata() or {}


DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool"}
DTYPES |= {f"{kind}{bits}": f"{name}{bits}" for kind, name in (("I", "int"), ("U", "uint")) for bits in (8, 16, 32, 64)}


def _bits(path: str, name: str) -> np.ndarray:
    """A tensor of 16-bit numbers, read directly from a file that safetensors has checked."""
    header, size = read_header(path)
    entry = header[name]
    begin, end = entry["data_offsets"]
    return np.fromfile(path, "<u2", (end - begin) // 2, offset=8 + size + begin).reshape(entry["shape"])


def read_header(path: str | os.PathLike[str]) -> tuple[dict[str, dict[str, Any]], int]:
    """The header of a safetensors file and its size in bytes; the tensors come after it."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(size)), size


def sort_metadata(path: str | os.PathLike[str]) -> None:
    """Sort the metadata's keys: safetensors writes them in hash-table order, which differs between processes."""
    header, size = read_header(path)
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) > size:
        raise ValueError(f"a sorted header of {len(text)} bytes does not fit into {size}")
    with open(path, "rb+") as file:
        file.seek(8)
        file.write(text.ljust(size))
