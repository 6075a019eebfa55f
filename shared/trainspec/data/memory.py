"""Check that a data set fits into memory before any memory is allocated."""

import math

from deploy.shell import printable
from diptych.errors import DataError
from trainspec.data.form import Form

COPIES = 3  # copies of a data set in memory while its splits are drawn


def require_memory(label: str, images: int, form: Form) -> None:
    """Raise `DataError` where `images` images of `form` do not fit into memory."""
    from diptych.machine import free_bytes  # runs import recipes, which import data

    needed = COPIES * images * math.prod(form.shape)
    free = free_bytes()
    if needed > free > 0:
        raise DataError(
            f"{printable(label)}: {images:,} images of {form.size:,} x {form.size:,} pixels need "
            f"{needed / 2**30:,.1f} GiB of memory and {free / 2**30:,.1f} GiB are free; choose a smaller image size "
            "(--set data.image_size=N)"
        )
