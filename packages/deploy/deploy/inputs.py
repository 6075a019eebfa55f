"""Turns a user's images into uint8 arrays. Anything that is not an image of 0..255 is refused in a sentence."""

import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deploy.contract import RESIZE_RULE
from deploy.encoded import ORIENTATION_TAG, READ
from deploy.errors import ImageError, ModelError
from deploy.images import MAX_BYTES, MAX_PIXELS, Content, check_file, check_pixels, read_image
from deploy.recognition import NO_IMAGE, judge_file
from deploy.walking import walk

IN_MEMORY = 5 * MAX_PIXELS + (1 << 20)  # bytes of the largest image as an uncompressed PNG; a row has one more
_AS_PNG = ("1", "L", "LA", "P", "RGB", "RGBA")  # Pillow's modes that PNG files have
_WITH_ALPHA = {"La": "LA", "PA": "RGBA", "RGBa": "RGBA"}  # those with transparency that they do not have
ImageSource = str | os.PathLike[str] | Content | BinaryIO | Image.Image | NDArray[np.uint8]


def prepare(
    source: ImageSource, size: tuple[int, int], channels: int, name: str = "", rule: str = RESIZE_RULE
) -> NDArray[np.uint8]:
    """One image as uint8 `(H, W, channels)` of `size`: from a path, bytes, an open file, a PIL image or an array.

    An array is uint8 `(h, w)`, `(h, w, 1)`, `(h, w, 3)` or `(h, w, 4)` of any size. It is treated like a file with the
    same pixels. A model with one channel gets the luma, taken before the image is resized by `rule`. Raises
    `ImageError`, and `ModelError` for other numbers of channels.
    """
    check_channels(channels)
    if isinstance(source, np.ndarray):
        source = _from_array(source, name)
    most = MAX_BYTES
    if isinstance(source, Image.Image):
        name, source, most = name or "image", _encoded(source, name or "image"), IN_MEMORY
    if not (isinstance(source, str | os.PathLike | Content) or hasattr(source, "read")):
        kinds = "give a path, bytes, an open file or an array"
        raise ImageError(f"{name and f'{name}: '}a {type(source).__name__} is not an image; {kinds}")
    return read_image(source, size, name, rule=rule, channels=channels, most=most)


def check_channels(channels: int, source: str = "the model") -> None:
    """Raise `ModelError`, which names `source`, for a model that takes neither grey nor colour images."""
    if channels not in (1, 3):
        raise ModelError(
            f"{source}: takes images with {channels} channels, not image files; in Python, "
            f"Classifier.logits takes arrays (N, H, W, {channels})"
        )


def check_batch(images: Any, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """Return `images` if they are uint8 `(N, H, W, C)` of the model's size. Raises `ImageError` otherwise."""
    wanted = f"uint8 (N, {size[0]}, {size[1]}, {channels})"
    if not isinstance(images, np.ndarray):
        raise ImageError(f"a {type(images).__name__} is not an array of images; the model takes {wanted}")
    _check_bytes(images, wanted)
    shape = images.shape
    if shape[1:] != (*size, channels):
        hint = ""
        if shape == (*size, channels):
            hint = "; for one image give images[None]"
        elif shape[1:] == (channels, *size):
            hint = "; channels come last: give images.transpose(0, 2, 3, 1)"
        raise ImageError(f"an array of shape {shape} is not a batch of images: the model takes {wanted}{hint}")
    if not len(images):
        raise ImageError("the batch has no images; give at least one")
    return images


def find_images(paths: Iterable[str | os.PathLike[str]]) -> tuple[list[Path], Counter[str]]:
    """The given files and every image in the given folders, at any depth; and how many files were left out, by reason.

    Unusable images in folders are among the images. Raises `ImageError` for a folder without an image, and for a given
    file that is missing or not an image. Only the first bytes of each file are read.
    """
    found: list[Path] = []
    left_out: Counter[str] = Counter()
    for path in map(Path, paths):
        try:
            is_folder = path.is_dir()
        except OSError as error:  # a name that is too long
            raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from None
        if not is_folder:
            check_file(path)
            found.append(path)
        elif images := sorted(_in_folder(path, left_out)):
            found += images
        else:
            raise ImageError(f"{path}: no images in this folder; {', '.join(sorted(READ))} are supported")
    return found, left_out


def _in_folder(path: Path, left_out: Counter[str]) -> Iterator[Path]:
    try:
        for entry in walk(path):
            if entry.reason:
                left_out[entry.reason] += 1
            elif not entry.is_folder:
                if any(judge_file(path, entry.name)):  # an unusable image has its error for an answer
                    yield path / entry.name
                else:
                    left_out[NO_IMAGE] += 1
    except OSError as error:
        raise ImageError(f"{error.filename}: cannot be read: {error.strerror or error}") from None


def _check_bytes(array: NDArray[Any], wanted: str, name: str = "") -> None:
    if array.dtype != np.uint8:
        hint = "; for values of 0..1 give (images * 255).round().astype('uint8')" if array.dtype.kind == "f" else ""
        kind = f"{name and f'{name}: '}an array of {array.dtype}"
        raise ImageError(f"{kind} is not an image: the model takes {wanted}, values 0..255{hint}")


def _from_array(array: NDArray[Any], name: str) -> Image.Image:
    _check_bytes(array, "uint8 (H, W, 3)", name)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or not array.size or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        hint = "; channels come last" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        shape = f"{name or 'array'}: an array of shape {array.shape}"
        raise ImageError(f"{shape} is not an image; give (H, W), (H, W, 3) or (H, W, 4){hint}")
    return Image.fromarray(np.ascontiguousarray(array))


def _encoded(image: Image.Image, name: str) -> bytes:
    """The image as a PNG file, so that `read_image` handles modes, transparency and EXIF."""
    if image.mode.startswith(("I", "F")):
        raise ImageError(f"{name}: an image with more than 8 bits a channel; convert it to 8 bits")
    check_pixels(image.size, name)  # before they are copied
    try:
        exif, file = Image.Exif(), io.BytesIO()
        exif[ORIENTATION_TAG] = _orientation(image)
        kept = image if image.mode in _AS_PNG else image.convert(_WITH_ALPHA.get(image.mode, "RGB"))
        kept.save(file, "PNG", compress_level=0, exif=exif)
        return file.getvalue()
    except Exception as error:  # Pillow's exceptions have no common base class
        raise ImageError(f"{name}: cannot be read as an image ({error})") from None


def _orientation(image: Image.Image) -> int:
    """By EXIF, XMP, or what the caller has set: 1 to 8. An image with metadata that cannot be read is upright."""
    try:
        found = int(image.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # SyntaxError for what is not EXIF, struct.error, ...
        return 1
    return found if 1 <= found <= 8 else 1
