"""Decide whether a data set is kept in memory, before any memory is allocated."""

import math

from deploy.shell import printable
from diptych import machine
from diptych.errors import DataError
from trainspec.data.cache import Notice
from trainspec.data.form import Form

COPIES = 3  # copies of a data set in memory while its splits are drawn
SHARE = 0.25  # of the free memory: a data set that takes more stays in its files


def require_memory(label: str, images: int, form: Form, otherwise: str = "") -> None:
    """Raise `DataError` where `images` images of `form` do not fit into memory, or are to stay in files.

    `otherwise`: what else than smaller images can be done, ", or ...".
    """
    if form.storage == "files":
        raise DataError(
            f"{printable(label)} is not a folder of image files, so it is read into memory; leave out data.storage"
        )
    needed = COPIES * images * math.prod(form.shape)
    free = machine.free_bytes()
    if needed > free > 0:
        raise DataError(
            f"{printable(label)}: {images:,} images of {form.size:,} x {form.size:,} pixels need "
            f"{needed / 2**30:,.1f} GiB of memory and {free / 2**30:,.1f} GiB are free; choose a smaller image size "
            f"(--set data.image_size=N){otherwise}"
        )


def stays_in_files(label: str, images: int, form: Form, notice: Notice) -> bool:
    """Whether `images` images stay in their files. If the free memory decides it, `notice` gets a sentence."""
    needed, free = images * math.prod(form.shape), machine.free_bytes()
    if form.storage == "auto" and needed > SHARE * free > 0:
        notice(
            f"{printable(label)}: {images:,} decoded images would take {needed / 2**30:,.1f} GiB of memory and "
            f'{free / 2**30:,.1f} GiB are free, so they are decoded from their files as needed (data.storage = "files")'
        )
        return True
    return form.storage == "files"
