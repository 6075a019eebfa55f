"""What lies beyond the edge of an image."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Border = Literal["constant", "reflect", "symmetric"]
"""`constant`: zero, the mean colour after normalisation. `reflect`: the image mirrored at its outermost pixels, which
are not repeated. `symmetric`: mirrored with the outermost pixels repeated. The names are NumPy's; SciPy, and with it
Keras's `fill_mode`, says `mirror` for `reflect`, and `reflect` for `symmetric`."""


def places(size: int, pad: int, border: Border) -> NDArray[np.int32]:
    """For each of `size + 2 * pad` pixels along a padded axis, int32: the pixel of the image that it shows.

    `size` itself means a pixel of zeros.
    """
    line = np.arange(size, dtype=np.int32)
    return np.pad(line, pad, constant_values=size) if border == "constant" else np.pad(line, pad, mode=border)
