"""Check that a data set fits into memory before any memory is allocated."""

from deploy.shell import printable
from diptych.errors import DataError

COPIES = 3  # copies of a data set in memory while its splits are drawn


def require_memory(label: str, images: int, image_size: int) -> None:
    """Raise `DataError` where `images` images `(image_size, image_size, 3)` do not fit into memory."""
    from diptych.machine import free_bytes  # runs import recipes, which import data

    needed = COPIES * images * image_size * image_size * 3
    free = free_bytes()
    if needed > free > 0:
        raise DataError(
            f"{printable(label)}: {images:,} images of {image_size:,} x {image_size:,} pixels need "
            f"{needed / 2**30:,.1f} GiB of memory and {free / 2**30:,.1f} GiB are free; choose a smaller image size "
            "(--set data.image_size=N)"
        )
