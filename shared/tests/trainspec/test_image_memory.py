"""Image files made to take all memory or time, and many large ones at once, stay within a limit."""

import struct
import zlib
from functools import cache

import pytest
from measured import measured
from mutations import chunk, pixels, saved, tiff_block, with_exif

import deploy.images
import trainspec.data.images as training
from deploy.images import MAX_PIXELS
from trainspec.data import Form


def big_png(width: int, height: int, *before: bytes) -> bytes:
    """A PNG of white pixels, a bit each."""
    packed = zlib.compressobj(1)
    row = b"\0" + b"\xff" * ((width + 7) // 8)
    data = b"".join(packed.compress(row * 64) for _ in range(-(-height // 64))) + packed.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@cache
def hostile_images() -> dict[str, bytes]:
    """Files that would take all memory or time, or end in another error than the reader's."""
    jpeg, png = saved(pixels(3), "JPEG"), saved(pixels(3), "PNG")
    scan = jpeg[jpeg.index(b"\xff\xda") : -2]
    size = jpeg.index(b"\xff\xc0") + 5
    inflating = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(50_000_000), 9))
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(50_000_000), 9))
    extended = b"VP8X" + struct.pack("<II", 10, 0) + b"\xff\xff\xff\xff\xff\xff"
    return {
        "13300.png": big_png(13_300, 13_300),
        "60000.png": big_png(60_000, 2_000),
        "huge header.png": png[:16] + b"\x7f\xff\xff\xff" * 2 + png[24:],
        "no pixels.png": big_png(0, 0),
        "text.png": big_png(8, 8, *[inflating] * 20),
        "profile.png": big_png(8, 8, profile),
        "raw profile.png": big_png(
            8, 8, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(50_000_000)))
        ),
        "two headers.png": png[:33] + big_png(30_000, 30_000)[8:],
        "many chunks.png": png[:33] + chunk(b"teST", b"") * 200_000 + png[33:],
        "length.png": png[:33] + b"\xff\xff\xff\xff" + png[37:],
        "size.jpg": jpeg[:size] + b"\xff\xff\xff\xff" + jpeg[size + 4 :],
        "scans.jpg": jpeg[:-2] + scan * 2000 + b"\xff\xd9",
        "segments.jpg": jpeg[:2] + b"\xff\xe1\0\x02" * 200_000 + jpeg[2:],
        "fill.jpg": jpeg[:2] + b"\xff" * 1_000_000 + jpeg[2:],
        "junk.jpg": jpeg[:3] + bytes(1_000_000) + jpeg[3:],
        "zeros.jpg": jpeg[:3] + b"\xff\0" * 1_000_000,
        "adobe.jpg": jpeg[:2] + b"\xff\xee\0\x07Adobe" + jpeg[2:],
        "photoshop.jpg": jpeg[:2] + b"\xff\xed\0\x16Photoshop 3.0\x008BIM" + b"\0" * 2 + jpeg[2:],
        "mpf.jpg": jpeg[:2] + b"\xff\xe2\0\x0aMPF\0II*\0" + jpeg[2:],
        "rational.jpg": with_exif(jpeg, tiff_block("<", [(0x0100, 5, 1, b"\xff" * 4)])),
        "entries.jpg": with_exif(jpeg, b"II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x05\0\xff\xff\xff\xff" * 100),
        "canvas.webp": riff(extended, b"VP8 " + struct.pack("<I", 2) + b"xx"),
        "size.webp": riff(b"VP8L" + struct.pack("<I", 6) + b"\x2f\xff\xff\xff\xff\x07"),
        "chunks.webp": riff(extended, *[b"EXIF" + bytes(4)] * 200_000),
        "length.webp": b"RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\xff",
    }


READ_ONE = """
import sys
from deploy.errors import ImageError
from deploy.images import read_image
# measured
try:
    print(read_image(sys.argv[1], 8).shape)
except ImageError as error:
    print(error)
"""


@pytest.mark.parametrize("name", hostile_images())
def test_hostile_images_are_read_or_refused_with_little_memory(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(hostile_images()[name])
    answer, grown = measured(READ_ONE, path)
    assert answer == "(8, 8, 3)" or answer.startswith(f"{path}: ")
    assert "\n" not in answer
    assert grown < 300


def test_the_largest_image_stays_below_a_gigabyte(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(big_png(8192, 8192, chunk(b"eXIf", tiff_block()), chunk(b"tRNS", b"\0\1")))
    assert MAX_PIXELS == 8192 * 8192
    answer, grown = measured(READ_ONE, path)
    assert answer == "(8, 8, 3)"
    assert grown < 1000


@pytest.mark.long
@pytest.mark.parametrize(("side", "count"), [(8192, 4), (2850, 40)])
def test_many_large_images_on_many_cores_stay_near_a_gigabyte(tmp_path, side, count):
    path = tmp_path / "large.png"
    path.write_bytes(big_png(side, side, chunk(b"eXIf", tiff_block()), chunk(b"tRNS", b"\0\1")))
    program = """
import sys
from trainspec.data import Form, images
content = open(sys.argv[1], "rb").read()
images.usable_cores = lambda: 16
# measured
print(len(list(images.decode_all([(str(number), content) for number in range(int(sys.argv[2]))], Form(8)))))
"""
    answer, grown = measured(program, path, count)
    assert int(answer) == count
    assert grown < 1000


def test_only_so_many_pixels_are_decoded_at_once(monkeypatch):
    content = saved(pixels(3, size=(100, 100)), "PNG")
    running, most = [], []

    def decode(content, form, name):
        running.append(name)
        most.append(len(running))
        image = deploy.images.read_image(content, form.size, name)
        running.remove(name)
        return image

    monkeypatch.setattr(training, "decode", decode)
    monkeypatch.setattr(training, "MAX_PIXELS", 20_000)
    monkeypatch.setattr(training, "usable_cores", lambda: 8)
    files = [(f"{number}.png", content) for number in range(60)]
    assert [name for name, _ in training.decode_all(iter(files), Form(4))] == [name for name, _ in files]
    assert max(most) <= 2
