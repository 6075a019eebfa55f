"""Take what a caller gives as a tensor's values as an array that every framework reads alike."""

from typing import Any

import numpy as np

from diptych.errors import WeightsError

PRECISIONS = ("float32", "float16", "bfloat16", "float64")  # of weights


def real_array(value: Any, name: str, source: str) -> np.ndarray:
    """`value` as a float array in the machine's byte order. It keeps its precision.

    bfloat16, which NumPy does not have, becomes float32. Whole numbers become float64. Raises `WeightsError` where
    `value`, the tensor `name` of `source`, is not an array of real numbers.
    """
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # lists of unequal lengths, tensors on a device
        reason = next(iter(str(error).splitlines()), "")
        raise WeightsError(f"'{name}' in {source} cannot be made an array: {reason:.200}") from error
    if array.dtype.name in PRECISIONS:
        kind = np.dtype(np.float32) if array.dtype.name == "bfloat16" else array.dtype.newbyteorder("=")
    elif array.dtype.kind in "iu":
        kind = np.dtype(np.float64)
    else:
        raise WeightsError(f"'{name}' is {array.dtype.name} in {source}: weights are real numbers, as float32")
    return array.astype(kind, copy=False)
