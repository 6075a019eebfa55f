"""JPEG and PNG files to arrays, and the one resize rule.

The rule: the shorter side is scaled to the wanted size, bilinearly and with antialiasing, and the middle is kept; both
in one step, `PIL.ImageOps.fit`. An image that has the size already is left alone.
"""

import io
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from netspec.errors import DataError

RESIZE_RULE = "shorter side to size, bilinear with antialiasing, centre crop"
SUFFIXES = (".jpg", ".jpeg", ".png")
CHUNK = 1024  # images whose encoded bytes are in memory at the same time
SMALL = 8192  # bytes an image; below, fighting for the interpreter lock costs more than threads gain


def resize(image: Image.Image, size: int) -> Image.Image:
    """`image` as a `size` x `size` one, by the rule."""
    if image.size == (size, size):
        return image
    return ImageOps.fit(image, (size, size), method=Image.Resampling.BILINEAR)


def resize_arrays(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """uint8 RGB images `(N, H, W, 3)` as `(N, size, size, 3)`, by the same rule."""
    if images.shape[1:3] == (size, size):
        return images
    resized = np.empty((len(images), size, size, 3), np.uint8)  # gigabytes for CIFAR at 128 pixels: never two of them
    for image, place in zip(images, resized, strict=True):
        place[:] = np.asarray(resize(Image.fromarray(image), size))
    return resized


def decode(content: bytes, size: int, name: str) -> NDArray[np.uint8]:
    """An encoded JPEG or PNG as uint8 `(size, size, 3)` RGB, turned as its EXIF orientation says.

    Raises `DataError` naming the file when it is no such image, damaged, or not of 8 bits.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            if image.mode.startswith(("I", "F")):
                raise DataError(f"{name}: an image of more than 8 bits a channel; convert it to 8 bits")
            # A grey or palette image is converted before it is scaled: palette indices cannot be averaged.
            return np.asarray(resize(ImageOps.exif_transpose(image).convert("RGB"), size))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # what Pillow raises
        reason = str(error) if "BytesIO" not in str(error) else "no JPEG or PNG image inside"
        raise DataError(f"{name}: cannot be read as an image ({reason}); replace or remove it") from error


def decode_all(files: Iterable[tuple[str, bytes]], size: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """`(name, bytes)` pairs as `(name, uint8 (size, size, 3))` pairs, in order; large images on all cores."""
    files = iter(files)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow leaves the interpreter lock while it decodes
        while chunk := list(islice(files, CHUNK)):
            large = sum(len(content) for _, content in chunk) > SMALL * len(chunk)
            decoded = (pool.map if large else map)(lambda file: decode(file[1], size, file[0]), chunk)
            yield from zip((name for name, _ in chunk), decoded, strict=True)
