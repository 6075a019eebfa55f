"""Reads image files before they are decoded: their format (by content), their orientation and what a decoder needs.

Cameras, editors and phones add metadata that decoders trip over, so JPEG and PNG are passed on without metadata. Only
the orientation is read from EXIF and XMP. If it cannot be read, the image counts as upright.
"""

import re
import struct
import zlib
from dataclasses import dataclass

HEAD = 64  # this many first bytes of a file tell its format
READ = ("JPEG", "PNG", "WebP")  # the formats that are decoded; others are recognised only to refuse them by name
MAX_PARTS = 100_000  # segments or chunks; an honest 64-megapixel PNG in chunks of 8 KiB has 24,000
MAX_SCANS = 200  # of a progressive JPEG; each is a pass over all pixels, and a camera writes about ten

_MAGIC = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"8BPS", "Photoshop"),
    (0, b"qoif", "QOI"),
)
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"
)
_NETPBM = re.compile(rb"P[1-7]\s+(#|WIDTH\b|\d+\s)")
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]")  # of the end, or of a segment with a length
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
ORIENTATION_TAG = 0x0112
_PNG_NEEDED = (b"PLTE", b"tRNS", b"IDAT", b"IEND")
_RAW_PROFILE = b"Raw profile type exif\0"
_PROFILE_BYTES = 1 << 18


class EncodingError(ValueError):
    """A file cannot be an honest image of its format."""


@dataclass(frozen=True)
class Encoded:
    """`content` decodes to the same pixels as the file; `orientation` is EXIF's, 1 to 8."""

    format: str
    content: bytes
    orientation: int


def format_of(head: bytes) -> str:
    """The image format of a file that begins with `head` (`HEAD` bytes are enough), "" if it is not an image."""
    for offset, magic, name in _MAGIC:
        if head.startswith(magic, offset):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        brands = (head[8:12], *(head[at : at + 4] for at in range(16, min(len(head), head[3]), 4)))
        return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), "")
    if head.startswith(b"BM") and head[6:10] == bytes(4) and head[15:18] == bytes(3):
        return "BMP"
    return "Netpbm" if _NETPBM.match(head) else ""


def without_metadata(content: bytes) -> Encoded:
    """Prepare a JPEG, PNG or WebP file for its decoder. Raises `EncodingError`."""
    match format_of(content[:HEAD]):
        case "JPEG":
            return _jpeg(content)
        case "PNG":
            return _png(content)
        case "WebP":
            return _webp(content)
        case name:
            raise EncodingError(f"{name or 'not an image'}; JPEG, PNG and WebP are supported")


def webp_size(content: bytes) -> tuple[int, int]:
    """`(width, height)` from a WebP's header. Its decoder would allocate the memory before it tells the size."""
    chunk = content[12:16]
    if chunk == b"VP8X" and len(content) >= 30:
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if chunk == b"VP8 " and len(content) >= 30 and content[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    if chunk == b"VP8L" and len(content) >= 25 and content[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", content, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise EncodingError("a WebP without a size in its header")


def _jpeg(content: bytes) -> Encoded:
    """Drop comments and application data before the first scan; keep everything else unchanged.

    JFIF's and Adobe's segments say how colours are coded, so they are kept if they are complete. A phone's second frame
    (MPO) comes after the end of the first image, where no decoder looks.
    """
    kept, exif, xmp = [b"\xff\xd8"], b"", b""
    position = 2
    for _ in range(MAX_PARTS):
        position = content.find(b"\xff", position)  # decoders skip bytes between two segments
        if position < 0 or position + 4 > len(content):
            raise EncodingError("a JPEG that ends before its image data")
        marker = content[position + 1]
        if marker == 0xDA:
            _check_scans(content, position)
            kept.append(content[position:])
            return Encoded("JPEG", b"".join(kept), _orientation(exif, xmp))
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # not a segment, or one without a length
            position += 1 if marker == 0xFF else 2
            continue
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4], "big")
        if marker == 0xD9 or end < position + 4 or end > len(content):
            raise EncodingError("a JPEG that ends before its image data")
        data = content[position + 4 : end]
        if _jpeg_needs(marker, data):
            kept.append(content[position:end])
        elif marker == 0xE1 and data.startswith(b"Exif\0\0"):
            exif = exif or data[6:]
        elif marker == 0xE1 and data.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            xmp = data
        position = end
    raise EncodingError("a JPEG with too many segments")


def _check_scans(content: bytes, position: int) -> None:
    """Raise `EncodingError` for too many scans from `position` to the end of the image. A video may follow it."""
    scans = 0
    while found := _JPEG_MARKER.search(content, position):
        position, marker = found.start(), content[found.start() + 1]
        if marker == 0xD9:
            return
        scans += marker == 0xDA
        if scans > MAX_SCANS:
            raise EncodingError(f"a JPEG with more than {MAX_SCANS} scans")
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")


def _jpeg_needs(marker: int, data: bytes) -> bool:
    """Whether a segment says how pixels or colours are coded."""
    match marker:
        case 0xE0:
            return data.startswith(b"JFIF\0") and len(data) >= 14
        case 0xEE:
            return data.startswith(b"Adobe") and len(data) >= 12
        case _:
            return not (0xE0 <= marker <= 0xEF or marker == 0xFE)


def _png(content: bytes) -> Encoded:
    """Keep the still image: header, palette, transparency and pixels. Of an APNG, it is what old viewers show."""
    if content[12:16] != b"IHDR":
        raise EncodingError("a PNG without a header")
    if content[24:25] == b"\x10":
        raise EncodingError("more than 8 bits a channel; convert it to 8 bits")
    kept, exif, xmp = [content[:33]], b"", b""
    position = 33
    for _ in range(MAX_PARTS):
        if position + 8 > len(content):
            return Encoded("PNG", b"".join(kept), _orientation(exif, xmp))
        end = position + 12 + int.from_bytes(content[position : position + 4], "big")
        kind = content[position + 4 : position + 8]
        if kind in _PNG_NEEDED:
            kept.append(content[position:end])
        elif kind == b"eXIf":
            exif = content[position + 8 : end - 4].removeprefix(b"Exif\0\0")
        elif kind == b"iTXt" and content.startswith(b"XML:com.adobe.xmp\0\0", position + 8):
            xmp = content[position + 8 : end - 4]
        elif kind in (b"tEXt", b"zTXt") and content.startswith(_RAW_PROFILE, position + 8):
            exif = exif or _raw_profile(kind, content[position + 8 + len(_RAW_PROFILE) : end - 4])
        position = len(content) if kind == b"IEND" else end
    raise EncodingError("a PNG with too many chunks")


def _webp(content: bytes) -> Encoded:
    """Keep the file as it is: WebP's decoder ignores metadata. It shows the first frame of an animation."""
    exif = xmp = b""
    position = 12
    for _ in range(MAX_PARTS):
        if position + 8 > len(content):
            return Encoded("WebP", content, _orientation(exif, xmp))
        length = int.from_bytes(content[position + 4 : position + 8], "little")
        data = slice(position + 8, position + 8 + length)
        match content[position : position + 4]:
            case b"EXIF":
                exif = content[data].removeprefix(b"Exif\0\0")
            case b"XMP ":
                xmp = content[data]
        position += 8 + length + length % 2
    raise EncodingError("a WebP with too many chunks")


def _raw_profile(kind: bytes, text: bytes) -> bytes:
    """EXIF from PNG text, where ImageMagick wrote it before PNG had a chunk for it: hexadecimal, after three lines."""
    try:
        if kind == b"zTXt":
            text = zlib.decompressobj().decompress(text[1:], _PROFILE_BYTES)
        lines = text[:_PROFILE_BYTES].decode("ascii").split("\n")[3:]
        return bytes.fromhex("".join(lines)).removeprefix(b"Exif\0\0")
    except (zlib.error, ValueError):
        return b""


def _orientation(exif: bytes, xmp: bytes) -> int:
    """EXIF's orientation, else XMP's, else 1. The values of other EXIF entries are not read."""
    try:
        found = _orientation_entry(exif)
    except struct.error:  # EXIF is cut off, or an offset points outside it
        found = None
    if found is None and (match := _XMP_ORIENTATION.search(xmp)):
        found = int(match[1])
    return found if found is not None and 1 <= found <= 8 else 1


def _orientation_entry(exif: bytes) -> int | None:
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return None
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    (entries,) = struct.unpack_from(f"{order}H", exif, start)
    for number in range(entries):
        entry = start + 2 + 12 * number
        tag, kind, count = struct.unpack_from(f"{order}HHI", exif, entry)
        layout = {1: "B", 3: "H", 4: "I"}.get(kind)  # byte, short, long: writers differ
        if tag == ORIENTATION_TAG and count == 1 and layout:
            (value,) = struct.unpack_from(f"{order}{layout}", exif, entry + 8)
            return int(value)
    return None
