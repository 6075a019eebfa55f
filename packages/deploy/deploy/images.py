"""Reads images for training and for deployment: JPEG, PNG and WebP to uint8 RGB or luma, resized by one rule.

The content tells the format, never the suffix. The result is:

- the first image of a file: the still or first frame of an animation (APNG, WebP), the first photo of a phone's MPO;
- upright, as EXIF or XMP says; if they cannot be read, the image counts as upright;
- RGB with 8 bits a channel: grey, palette, CMYK and 1-bit images are converted, more than 8 bits are refused, and
  colour profiles are not applied;
- opaque: transparent parts are put on white before the image is resized;
- of one channel, if that is asked for: the luma of RGB (ITU-R 601), taken before the image is resized;
- resized by a rule: "crop" scales the shorter side to the wanted size (bilinear, antialiased) and crops the centre, in
  one step (`PIL.ImageOps.fit`); "margin" scales it to 8/7 of the size before; "squash" scales each side to the size by
  the same filter. An image of the size is left as it is, but not by "margin". A JPEG is always decoded at its full size
  (without Pillow's `draft`).

Every problem raises an `ImageError` with the file's name. Kind of file, size and number of pixels are checked before
anything is read or decoded, so an image takes less than 1 GB whatever the file holds.
"""

import io
import os
import stat
from collections.abc import Callable
from operator import index
from typing import BinaryIO, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, __version__ as PILLOW
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from deploy.contract import KEEPING, RESIZE_RULE as RESIZE_RULE, RESIZE_RULES
from deploy.encoded import HEAD, READ, Encoded, EncodingError, format_of, webp_size, without_metadata
from deploy.errors import DeployError, ImageError, UsageError

OLDEST_PILLOW = (10, 1)  # the first that tells of every image whether it has transparent parts
if tuple(map(int, PILLOW.split(".")[:2])) < OLDEST_PILLOW:
    raise DeployError(f"Pillow {PILLOW} is too old; install {'.'.join(map(str, OLDEST_PILLOW))} or a newer one")

Pixels = TypeVar("Pixels")
Content: TypeAlias = bytes | bytearray | memoryview  # of a file

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp")  # the usual suffixes of the formats; the content decides
MAX_BYTES = 1 << 27  # of a file: 128 MiB
MAX_PIXELS = 1 << 26  # 8192 x 8192; decoding, turning and converting them takes about 0.9 GB
WEBP_COST = 2  # WebP's decoder holds four copies of an image, the others hold two
WHITE = (255, 255, 255)

# Large images in large blocks: glibc gives a block above 32 MiB back to the system at once. Of smaller blocks, every
# decoding thread keeps some hundred MB. Six images of 8192 x 8192 on 4 threads took 2.3 GB at most; in large blocks
# they take 0.96 GB.
if hasattr(Image.core, "set_block_size"):  # type: ignore[attr-defined]
    Image.core.set_block_size(MAX_PIXELS)  # type: ignore[attr-defined]

_DECODERS: dict[str, type[ImageFile.ImageFile]] = {"JPEG": JpegImageFile, "PNG": PngImageFile, "WebP": WebPImageFile}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(
    source: str | os.PathLike[str] | Content | BinaryIO,
    size: int | tuple[int, int] | None = None,
    name: str = "",
    *,
    rule: str = RESIZE_RULE,
    channels: int = 3,
    most: int = MAX_BYTES,
) -> NDArray[np.uint8]:
    """An image as uint8 `(H, W, channels)`: RGB, or its luma for one channel.

    `size`: resize it to `(H, W)`, or to one number for both, by `rule`, a text of `deploy.contract.RESIZE_RULES`.
    `source` is a path, a file's content, or a binary file open for reading. Error messages call it `name`, by default
    its path or file name. A content has at most `most` bytes. Raises `ImageError` in one line, and `UsageError` for
    another rule, size or number of channels.
    """
    wanted = _checked_form(size, rule, channels)
    content, name = _content_of(source, name)

    def pixels(image: Image.Image) -> NDArray[np.uint8]:
        array = np.array(image if wanted is None else resize(image, wanted, rule), np.uint8)
        return array if channels == 3 else array[..., None]

    return decoded(content, name, channels, pixels, most)


def _checked_form(size: int | tuple[int, int] | None, rule: str, channels: int) -> tuple[int, int] | None:
    """`size` as `(H, W)`. Raises `UsageError` for one of the three that has no meaning."""
    if channels not in (1, 3):
        raise UsageError(f"channels = {channels!r:.40}: give 1 or 3")
    if rule not in _RESIZED:
        raise UsageError(f"rule = {rule!r:.80}: give a rule as deploy.contract.RESIZE_RULES['crop']")
    if size is None:
        return None
    try:
        height, width = map(index, size if isinstance(size, tuple | list) else (size, size))
    except (TypeError, ValueError):
        height = width = 0
    if height < 1 or width < 1:
        raise UsageError(f"size = {size!r:.40}: give a whole number of pixels, or (height, width)")
    return height, width


def _content_of(source: str | os.PathLike[str] | Content | BinaryIO, name: str) -> tuple[bytes, str]:
    if isinstance(source, Content):
        return bytes(source), name or "image"
    if isinstance(source, str | os.PathLike):
        return read_file(source), name or os.fspath(source)
    name = name or str(getattr(source, "name", "image"))
    content = bytearray()
    while len(content) <= MAX_BYTES:
        try:
            block = source.read(MAX_BYTES + 1 - len(content))
        except Exception as error:
            raise _unreadable(name, error) from error
        if not isinstance(block, bytes):
            kind = "opened as text" if isinstance(block, str) else "not ready to be read"
            raise ImageError(f"{name}: {kind}; open it in binary mode, and blocking")
        if not block:  # before that, a pipe or a socket may give less than was asked for
            break
        content += block
    return bytes(content), name


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The content of an image file. Its kind, size and first bytes are checked before it is read.

    Raises `ImageError` if it is not a file, cannot be read, is not an image or is too large.
    """
    with _opened(path) as file:
        try:
            head = _checked_head(file, os.fspath(path))
            left = os.fstat(file.fileno()).st_size + 1 - len(head)  # reading takes memory for all that it may read
            return head + file.read(min(MAX_BYTES, left))
        except OSError as error:
            raise _unreadable(os.fspath(path), error) from error


def check_file(path: str | os.PathLike[str]) -> None:
    """Raise the `ImageError` that `read_file` would raise, without reading the whole file."""
    with _opened(path) as file:
        try:
            _checked_head(file, os.fspath(path))
        except OSError as error:
            raise _unreadable(os.fspath(path), error) from error


def file_format(path: str | os.PathLike[str]) -> str:
    """The image format of a file by its first bytes, "" if it is not an image. Raises `ImageError`."""
    with _opened(path) as file:
        try:
            return format_of(file.read(HEAD))
        except OSError as error:
            raise _unreadable(os.fspath(path), error) from error


def cost(content: bytes) -> int:
    """Pixels by the file's header, weighted by the memory that they take; 1 if the header cannot be read."""
    try:
        encoded = without_metadata(content)
        width, height = webp_size(content) if encoded.format == "WebP" else _opened_image(encoded).size
    except Exception:  # decoding will report the problem
        return 1
    return width * height * (WEBP_COST if encoded.format == "WebP" else 1)


def resize(image: Image.Image, size: int | tuple[int, int], rule: str = RESIZE_RULE) -> Image.Image:
    """`image` resized to `size` (`(H, W)`, or one number for both) by `rule`, a text of `RESIZE_RULES`."""
    height, width = (size, size) if isinstance(size, int) else size
    if rule in KEEPING and image.size == (width, height):
        return image
    return _RESIZED[rule](image, (width, height), Image.Resampling.BILINEAR)


_RESIZED: dict[str, Callable[[Image.Image, tuple[int, int], Image.Resampling], Image.Image]] = {
    RESIZE_RULES["crop"]: lambda image, size, filter: ImageOps.fit(image, size, filter),
    RESIZE_RULES["margin"]: lambda image, size, filter: ImageOps.fit(image, size, filter, bleed=1 / 16),
    RESIZE_RULES["squash"]: lambda image, size, filter: image.resize(size, filter),
}


def decoded(
    content: bytes, name: str, channels: int, pixels: Callable[[Image.Image], Pixels], most: int = MAX_BYTES
) -> Pixels:
    """What `pixels` makes of the image in a file's content: upright, opaque, RGB or luma. Raises `ImageError`."""
    _known(content[:HEAD], name)
    _small_enough(len(content), name, most)
    try:
        encoded = without_metadata(content)
        if encoded.format == "WebP":
            check_pixels(webp_size(content), name, WEBP_COST)
        with _opened_image(encoded) as image:
            check_pixels(image.size, name)
            if image.mode.startswith(("I", "F")):
                raise EncodingError("more than 8 bits a channel; convert it to 8 bits")
            image.load()
            upright = image if encoded.orientation == 1 else image.transpose(_TURNS[encoded.orientation])
            # Convert before scaling: palette indices cannot be averaged.
            rgb = _over_white(upright) if upright.has_transparency_data else _as_mode(upright, "RGB")
            return pixels(rgb if channels == 3 else rgb.convert("L"))
    except ImageError:
        raise
    except Exception as error:  # whatever a decoder raises: struct.error, MemoryError, OverflowError, warnings, ...
        raise _unreadable(name, error) from error


def _opened_image(encoded: Encoded) -> ImageFile.ImageFile:
    """Reads just the header, except for WebP. `Image.open` would try formats and read a phone's extras."""
    return _DECODERS[encoded.format](io.BytesIO(encoded.content))


def _over_white(image: Image.Image) -> Image.Image:
    with_alpha = _as_mode(image, "RGBA")
    alpha = with_alpha.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return with_alpha.convert("RGB")
    white = Image.new("RGB", image.size, WHITE)
    white.paste(with_alpha.convert("RGB"), mask=alpha)
    return white


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading. Only an ordinary file is opened: a FIFO would hang, a device could do anything."""
    name = os.fspath(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ImageError(f"{name}: {'a folder' if os.path.isdir(path) else 'not an ordinary file'}; give an image")
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        return os.fdopen(descriptor, "rb")
    except FileNotFoundError:
        missing = "a link to a file that does not exist" if os.path.islink(path) else "no such file"
        raise ImageError(f"{name}: {missing}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(name, error) from error


def _checked_head(file: BinaryIO, name: str) -> bytes:
    length = os.fstat(file.fileno()).st_size
    head = file.read(HEAD)
    _known(head, name)
    _small_enough(length, name)
    return head


def _known(head: bytes, name: str) -> None:
    found = format_of(head)
    if found not in READ:
        reason = f"{found} is not supported; convert it" if found else "not an image" if head else "an empty file"
        raise ImageError(f"{name}: cannot be read as an image ({reason}); JPEG, PNG and WebP are supported")


def _small_enough(length: int, name: str, most: int = MAX_BYTES) -> None:
    if length > most:
        raise ImageError(
            f"{name}: {length / 2**20:,.0f} MiB; image files of at most {most >> 20} MiB are read; make it smaller"
        )


def check_pixels(size: tuple[int, int], name: str, weight: int = 1) -> None:
    """Raise `ImageError` for an image without pixels, or with more than its decoder has memory for."""
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"{name}: cannot be read as an image (it has no pixels); replace or remove it")
    if width * height * weight > MAX_PIXELS:
        raise ImageError(
            f"{name}: {width:,} x {height:,} pixels, more than {MAX_PIXELS // weight >> 20} million; make it smaller"
        )


def _unreadable(name: str, error: Exception) -> ImageError:
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    reason = "not enough memory" if isinstance(error, MemoryError) else " ".join(said.split())[:200]
    return ImageError(f"{name}: cannot be read as an image ({reason or type(error).__name__}); replace or remove it")
