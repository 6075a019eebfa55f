"""Reads and writes tensors as `.pb` files, as in the test data of the ONNX model zoo."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.errors import ModelError
from deploy.proto import tensor_class

KINDS: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 2: np.dtype("u1")}  # TensorProto.DataType


def tensor_bytes(array: NDArray[Any], name: str) -> bytes:
    """A float32 or uint8 array as a serialized TensorProto."""
    kind = next(kind for kind, dtype in KINDS.items() if dtype == array.dtype)
    raw = np.ascontiguousarray(array, KINDS[kind]).tobytes()
    tensor = tensor_class()(dims=array.shape, data_type=kind, name=name.encode(), raw_data=raw)
    return bytes(tensor.SerializeToString(deterministic=True))


def read_tensor(path: Path) -> NDArray[Any]:
    """The array in a file that `tensor_bytes` made. Raises `ModelError`."""
    tensor = tensor_class()()
    try:
        tensor.ParseFromString(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # protobuf's DecodeError; some versions raise others
        raise ModelError(f"{path}: not a tensor ({' '.join(str(error).split())})") from None
    dtype = KINDS.get(tensor.data_type)
    if dtype is None or min(tensor.dims, default=0) < 0:
        raise ModelError(f"{path}: not a tensor of float32 or uint8")
    if len(tensor.raw_data) != math.prod(tensor.dims) * dtype.itemsize:
        raise ModelError(f"{path}: does not have as many values as its shape says")
    return np.frombuffer(tensor.raw_data, dtype).reshape(tuple(tensor.dims))
