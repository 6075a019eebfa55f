"""Decode image files in worker processes, so that the network does not wait for them.

A batch is decoded in parts, one for each worker at a time. `plan.ahead` asks for the next batches while the network
works on an earlier one. Nothing of the data set stays in memory but its names.
"""

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deploy.images import decoded, read_file, resize
from deploy.shell import printable
from diptych.errors import DataError
from diptych.machine import cores, processes
from diptych.pool import Pool
from diptych.stopping import until_stopped
from trainspec.data.form import Form

PARTS = 2  # of a batch, for each worker: a part with larger images does not keep the others waiting for long
WORKER = 1.0  # GiB that a worker takes for the largest image that is read (`deploy.images.MAX_PIXELS`)


class Cutter(Protocol):
    """Cuts a box out of a whole image and resizes it."""

    def cut(self, image: Image.Image, draws: Mapping[str, NDArray[Any]], size: tuple[int, int]) -> Image.Image:
        """The box as an image of `size`, `(H, W)`. `draws` have a row for this image alone."""


@dataclass(frozen=True, eq=False)
class Cut:
    """What is cut out of whole images: by which transform, and its draws, with a row for each image."""

    transform: Cutter
    draws: Mapping[str, NDArray[Any]]

    def part(self, here: slice) -> "Cut":
        """Those of some of the images."""
        return Cut(self.transform, {name: array[here] for name, array in self.draws.items()})


@dataclass(frozen=True)
class ImageFile:
    """A file, and how to know that it is still the same: by `(size, time)`, or by its SHA-256 in a manifest."""

    path: str
    status: tuple[int, int] | None = None
    sha256: str = ""

    def read(self) -> bytes:
        """The content. Raises `DataError` for a file that cannot be read or has changed."""
        content = read_file(self.path)
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise DataError(f"{printable(self.path)}: cannot be read: {error.strerror}") from error
        if self.sha256 and hashlib.sha256(content).hexdigest() != self.sha256:
            raise DataError(
                f"{printable(self.path)}: has changed since its manifest listed it (its SHA-256 differs); restore it, "
                "or split the folder again"
            )
        if self.status and self.status != (found.st_size, found.st_mtime_ns):
            raise DataError(f"{printable(self.path)}: has changed since the command began; start again")
        return content


@dataclass(frozen=True, eq=False)
class Part:
    """Files that a worker decodes together."""

    files: Sequence[ImageFile]
    form: Form
    cut: Cut | None


def decode_part(part: Part) -> NDArray[np.uint8]:
    """The images of a part, uint8 `(B, size, size, channels)`. Raises `DataError` for a file that cannot be used."""
    made = np.empty((len(part.files), *part.form.shape), np.uint8)
    for number, (file, place) in enumerate(zip(part.files, made, strict=True)):
        cut = part.cut.part(slice(number, number + 1)) if part.cut else None
        place[:] = _decoded(file, part.form, cut)
    return made


def _decoded(file: ImageFile, form: Form, cut: Cut | None) -> NDArray[np.uint8]:
    size = (form.size, form.size)

    def pixels(image: Image.Image) -> NDArray[np.uint8]:
        made = cut.transform.cut(image, cut.draws, size) if cut else resize(image, size, form.rule)
        return np.asarray(made).reshape(form.shape)

    return decoded(file.read(), printable(file.path), form.channels, pixels)


def decode_files(files: Sequence[ImageFile], form: Form, cut: Cut | None = None) -> NDArray[np.uint8]:
    """The images of files, uint8 `(B, size, size, channels)`, decoded by the workers.

    With `cut`, each image is what is cut out of it, in place of the image resized by the form's rule. Raises
    `DataError` for a file that cannot be used, `ProcessEndedError` where a worker was killed.
    """
    pool = workers()
    size = max(1, math.ceil(len(files) / (PARTS * cores())))
    starts = range(0, len(files), size)
    parts = [Part(files[start : start + size], form, cut and cut.part(slice(start, start + size))) for start in starts]
    made = [outcome.result() for _, outcome in until_stopped(pool.each(parts))]
    return np.concatenate(made) if made else np.empty((0, *form.shape), np.uint8)


@cache
def workers() -> Pool[Part, NDArray[np.uint8]]:
    """The worker processes, one for each core, but only as many as there is memory for if all images are the largest.

    They start with their first part, and end with this process.
    """
    return Pool(decode_part, processes(WORKER))
