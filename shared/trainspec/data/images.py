"""Decode images to arrays for training. `deploy.images` reads them; its errors become `DataError`."""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deploy.cgroups import usable_cores
from deploy.contract import KEEPING
from deploy.images import MAX_PIXELS, RESIZE_RULE, cost, read_image, resize
from diptych.stopping import until_stopped
from trainspec.data.form import Form

__all__ = ["RESIZE_RULE", "decode", "decode_all", "resize", "resize_arrays"]

CHUNK_BYTES = 1 << 25  # of encoded images in memory at the same time, unless a single image is larger
CHUNK = 1024
THREADS = 8  # at most: each thread keeps some memory after decoding
SMALL = 8192  # bytes per image; below it, waiting for the interpreter lock costs more than threads gain


def resize_arrays(images: NDArray[np.uint8], form: Form) -> NDArray[np.uint8]:
    """uint8 images `(N, H, W)` or `(N, H, W, 3)` as `(N, size, size, channels)` of `form`, by the same rules."""
    if images.shape[1:] == form.shape and form.rule in KEEPING:
        return images
    made = np.empty((len(images), *form.shape), np.uint8)  # the only copy: gigabytes for CIFAR at 128 pixels
    mode = {1: "L", 3: "RGB"}[form.channels]
    for image, place in until_stopped(zip(images, made, strict=True)):
        pixels = np.asarray(resize(Image.fromarray(image).convert(mode), form.size, form.rule))
        place[:] = pixels.reshape(form.shape)
    return made


def decode(content: bytes, form: Form, name: str) -> NDArray[np.uint8]:
    """Decode an image to uint8 `(size, size, channels)`, as `deploy.images` reads it. Raises `DataError`."""
    return read_image(content, form.size, name, rule=form.rule, channels=form.channels)


def decode_all(files: Iterable[tuple[str, bytes]], form: Form) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Decode `(name, bytes)` pairs to `(name, uint8 (size, size, channels))` pairs, in order.

    Large images use up to 8 cores.

    On any number of cores, at most `MAX_PIXELS` are decoded at once: five phone photos, or one huge image.
    """
    files = iter(files)
    room = _Room(MAX_PIXELS)

    def decoded(file: tuple[str, bytes]) -> NDArray[np.uint8]:
        name, content = file
        with room.taken(cost(content)):
            return decode(content, form, name)

    pool = ThreadPoolExecutor(min(THREADS, usable_cores()))  # Pillow releases the interpreter lock to decode
    try:
        while chunk := _chunk(files):
            large = sum(len(content) for _, content in chunk) > SMALL * len(chunk)
            images = pool.map(decoded, chunk) if large else (decode(content, form, name) for name, content in chunk)
            yield from until_stopped(zip((name for name, _ in chunk), images, strict=True))
    finally:
        pool.shutdown(cancel_futures=True)  # after an error, or when the caller stops early


def _chunk(files: Iterator[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    chunk, total = [], 0
    for file in islice(files, CHUNK):
        chunk.append(file)
        total += len(file[1])
        if total >= CHUNK_BYTES:
            break
    return chunk


class _Room:
    """A number of places. A thread takes several at a time, and waits until that many are free."""

    def __init__(self, places: int) -> None:
        self.places = self.free = places
        self.changed = threading.Condition()

    @contextmanager
    def taken(self, wanted: int) -> Iterator[None]:
        wanted = min(wanted, self.places)
        with self.changed:
            self.changed.wait_for(lambda: self.free >= wanted)
            self.free -= wanted
        try:
            yield
        finally:
            with self.changed:
                self.free += wanted
                self.changed.notify_all()
