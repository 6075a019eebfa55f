"""Image files of every kind, and changes to them that no camera makes."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, PngImagePlugin

EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
Random = np.random.Generator


def pixels(channels: int, seed: int = 0, size: tuple[int, int] = (13, 11)) -> Image.Image:
    shape = (size[1], size[0], channels) if channels > 1 else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def tiff_block(order: str = "<", entries: list[tuple[int, int, int, bytes]] | None = None) -> bytes:
    """An EXIF block, without its name, of entries `(tag, type, count, four bytes)`."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entries = [(0x0112, 3, 1, struct.pack(f"{order}HH", 6, 0))] if entries is None else entries
    body = b"".join(struct.pack(f"{order}HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return mark + struct.pack(f"{order}IH", 8, len(entries)) + body + bytes(4)


def samples() -> dict[str, bytes]:
    """One small file of every kind that is read, and of some that are not."""
    rgb, rgba, grey = pixels(3), pixels(4), pixels(1)
    palette = rgb.quantize(16)
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 40, zip=True)
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    exif = b"Exif\0\0" + tiff_block()
    frames = [pixels(3, seed) for seed in range(1, 4)]
    clear = [pixels(4, seed) for seed in range(1, 4)]
    return {
        "baseline.jpg": saved(rgb, "JPEG", quality=90, exif=exif),
        "progressive.jpg": saved(rgb, "JPEG", progressive=True, exif=b"Exif\0\0" + tiff_block(">")),
        "grey.jpg": saved(grey, "JPEG", comment=b"a comment", icc_profile=b"profile" * 9),
        "cmyk.jpg": saved(rgb.convert("CMYK"), "JPEG"),
        "phone.jpg": saved(rgb, "MPO", save_all=True, append_images=frames[:1], exif=exif),
        "rgb.png": saved(rgb, "PNG", exif=exif),
        "rgba.png": saved(rgba, "PNG", pnginfo=text),
        "grey.png": saved(grey, "PNG", transparency=7),
        "grey alpha.png": saved(pixels(4).convert("LA"), "PNG"),
        "palette.png": saved(palette, "PNG", transparency=bytes(range(0, 256, 16))),
        "bits.png": saved(grey.convert("1"), "PNG"),
        "animated.png": saved(rgb, "PNG", save_all=True, append_images=frames),
        "deep.png": saved(Image.fromarray(np.arange(24, dtype=np.uint16).reshape(4, 6)), "PNG"),
        "lossy.webp": saved(rgb, "WEBP", exif=exif),
        "lossless.webp": saved(rgba, "WEBP", lossless=True),
        "alpha.webp": saved(rgba, "WEBP", xmp=b'<x tiff:Orientation="3"/>'),
        "animated.webp": saved(clear[0], "WEBP", save_all=True, append_images=clear[1:]),
        "old.gif": saved(palette, "GIF"),
        "plain.bmp": saved(rgb, "BMP"),
        "plain.tif": saved(rgb, "TIFF"),
        "plain.ppm": saved(rgb, "PPM"),
    }


def flip(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 6))):
        changed[random.integers(len(changed))] = random.integers(256)
    return bytes(changed)


def flip_in_the_header(content: bytes, random: Random) -> bytes:
    return flip(content[:80], random) + content[80:]


def cut(content: bytes, random: Random) -> bytes:
    return content[: random.integers(len(content))]


def remove(content: bytes, random: Random) -> bytes:
    start = random.integers(len(content))
    return content[:start] + content[start + random.integers(1, 20) :]


def insert(content: bytes, random: Random) -> bytes:
    start = random.integers(len(content))
    return content[:start] + random.bytes(int(random.integers(1, 20))) + content[start:]


def repeat(content: bytes, random: Random) -> bytes:
    start = int(random.integers(len(content)))
    end = start + int(random.integers(1, 200))
    return content[:end] + content[start:end] * int(random.integers(1, 5)) + content[end:]


def set_to_an_extreme(content: bytes, random: Random) -> bytes:
    width = int(random.choice((1, 2, 4)))
    value = int(random.choice(EXTREMES)) & (256**width - 1)
    start = int(random.integers(min(len(content), random.choice((40, 200, 10_000)))))
    order = "little" if random.integers(2) else "big"
    return content[:start] + value.to_bytes(width, order) + content[start + width :]


def change_a_chunk(content: bytes, random: Random) -> bytes:
    """A change inside a chunk of a PNG, with the checksum made right again, so that it is believed."""
    if not content.startswith(b"\x89PNG"):
        return set_to_an_extreme(content, random)
    chunks, position = [], 8
    while position + 12 <= len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        chunks.append((content[position + 4 : position + 8], content[position + 8 : position + 8 + length]))
        position += 12 + length
    if not chunks:
        return content
    chosen = int(random.integers(len(chunks)))
    kind, data = chunks[chosen]
    chunks[chosen] = kind, (random.choice([flip, cut, insert, set_to_an_extreme])(data, random) if data else b"x")
    return content[:8] + b"".join(chunk(kind, data) for kind, data in chunks)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def another_exif(content: bytes, random: Random) -> bytes:
    """A JPEG's first segment becomes an EXIF block whose every field may be anything."""
    order = "<" if random.integers(2) else ">"
    entries = [
        (
            int(random.choice((0x0100, 0x0112, 0x011A, 0x0128, 0x8769, 0x8825, 0x927C, random.integers(65536)))),
            int(random.integers(0, 16)),
            int(random.choice((*EXTREMES[:4], *EXTREMES[-3:]))),
            random.bytes(4),
        )
        for _ in range(int(random.integers(0, 6)))
    ]
    block = tiff_block(order, entries) + random.bytes(int(random.integers(0, 20)))
    if random.integers(2):
        block = flip(block, random)
    if content.startswith(b"\xff\xd8"):
        return with_exif(content, block)
    if content.startswith(b"\x89PNG"):
        return content[:33] + chunk(b"eXIf", block) + content[33:]
    return flip(content, random)


def with_exif(jpeg: bytes, block: bytes) -> bytes:
    """A JPEG with an EXIF block in front of its other segments."""
    return jpeg[:2] + b"\xff\xe1" + (len(block) + 8).to_bytes(2, "big") + b"Exif\0\0" + block + jpeg[2:]


MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (
    flip,
    flip_in_the_header,
    cut,
    remove,
    insert,
    repeat,
    set_to_an_extreme,
    change_a_chunk,
    another_exif,
)


def mutated(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` files `(what was done, content)`: each of the samples, changed once or twice."""
    random = np.random.default_rng(seed)
    files = list(samples().items())
    for number in range(count):
        name, content = files[number % len(files)]
        done = [name]
        for _ in range(int(random.integers(1, 3))):
            if content:
                mutation = MUTATIONS[random.integers(len(MUTATIONS))]
                content = mutation(content, random)
                done.append(mutation.__name__)
        yield f"{number}: {', '.join(done)}", content
