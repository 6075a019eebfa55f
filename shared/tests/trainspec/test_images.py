"""The reader of images: what it takes, what it refuses, and that nothing but its own error ever comes out."""

import ast
import io
import os
import re
import socket
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from measured import measured
from mutations import chunk, mutated, pixels, samples, saved, tiff_block, with_exif
from PIL import Image, ImageOps

import deploy.images
import trainspec.data.images as training
from deploy.errors import ImageError
from deploy.images import MAX_BYTES, MAX_PIXELS, read_image
from netspec.errors import DataError

QUICK, MANY = 600, 250_000
REFUSED = {"deep.png", "old.gif", "plain.bmp", "plain.tif", "plain.ppm"}


def read_mutated(files) -> tuple[int, int]:
    """How many were read and how many refused; anything else is an error of the reader."""
    read = refused = 0
    for name, content in files:
        try:
            image = read_image(content, 8, name)
        except ImageError as error:
            said = str(error)
            refused += 1
        else:
            assert image.shape == (8, 8, 3), name
            assert image.dtype == np.uint8, name
            said = name
            read += 1
        assert said.startswith(name)
        assert "\n" not in said
    return read, refused


def test_mutated_images():
    read, refused = read_mutated(mutated(QUICK, seed=0))
    assert read > QUICK // 10
    assert refused > QUICK // 10


@pytest.mark.long
def test_250000_mutated_images_in_one_run():
    program = f"""
from mutations import mutated
from test_images import read_mutated
# measured
print(*read_mutated(mutated({MANY}, seed=1)))
"""
    counts, grown = measured(program, seconds=3600)
    read, refused = map(int, counts.split())
    print(f"{read} read, {refused} refused, {grown} MiB")
    assert read + refused == MANY
    assert min(read, refused) > MANY // 10
    assert grown < 1000


def test_training_and_deployment_have_one_reader():
    assert training.read_image is deploy.read_image is deploy.images.read_image
    assert training.resize is deploy.images.resize
    assert training.RESIZE_RULE is deploy.images.RESIZE_RULE
    folder = Path(__file__).parents[3]
    decoding = re.compile(r"\b(?:open|exif_transpose|fromqimage|frombuffer|ImageFile|Parser)\b")
    for source in (*(folder / "shared").rglob("*.py"), *(folder / "packages").rglob("*.py")):
        if "tests" in source.parts or source.parent.name == "deploy":
            continue
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used = f"{node.value.id}.{node.attr}"
                assert not (node.value.id in ("Image", "ImageOps", "PIL") and decoding.search(node.attr)), (
                    source,
                    used,
                )


@pytest.mark.parametrize("name", samples())
def test_every_kind(name):
    content = samples()[name]
    if name in REFUSED:
        with pytest.raises(ImageError, match=f"^{re.escape(name)}: "):
            read_image(content, name=name)
        with pytest.raises(DataError, match=f"^{re.escape(name)}: "):
            training.decode(content, 8, name)
        return
    image = read_image(content, name=name)
    with Image.open(io.BytesIO(content)) as opened:
        upright = ImageOps.exif_transpose(opened)
        if not upright.has_transparency_data:
            assert np.array_equal(image, np.asarray(upright.convert("RGB")))
        assert image.shape == (*upright.size[::-1], 3)
    assert np.array_equal(training.decode(content, 8, name), read_image(content, (8, 8)))
    assert read_image(content, (5, 9)).shape == (5, 9, 3)


def test_paths_bytes_and_files_are_read_alike(tmp_path):
    content = samples()["rgb.png"]
    path = tmp_path / "no suffix"
    path.write_bytes(content)
    expected = read_image(content)
    for source in (path, str(path), io.BytesIO(content)):
        assert np.array_equal(read_image(source), expected)
    with path.open("rb") as file:
        assert np.array_equal(read_image(file), expected)
    with pytest.raises(ImageError, match="binary mode"):
        read_image(io.StringIO("text"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_transparency_shows_white(mode):
    solid = Image.new("RGBA", (2, 1), (200, 100, 0, 255))
    solid.putpixel((1, 0), (200, 100, 0, 0))
    if mode == "P":
        content = saved(solid.convert("RGB").quantize(2), "PNG", transparency=bytes([0] * 256))
        assert (read_image(content) == 255).all()
        return
    if mode in ("RGB", "L"):  # one colour is declared transparent
        image = solid.convert("RGB").convert(mode)
        content = saved(image, "PNG", transparency=image.getpixel((0, 0)))
        assert (read_image(content) == 255).all()
        return
    image = read_image(saved(solid.convert(mode), "PNG"))
    assert (image[0, 1] == 255).all()
    assert np.array_equal(image[0, 0], np.asarray(solid.convert(mode).convert("RGB"))[0, 0])


def test_half_transparency_is_half_white():
    image = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    assert abs(int(read_image(saved(image, "PNG"))[0, 0, 0]) - 127) <= 1


def test_alpha_that_is_opaque_changes_no_pixel():
    image = pixels(3)
    opaque = image.copy()
    opaque.putalpha(255)
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        assert np.array_equal(read_image(saved(opaque, kind, **options)), np.asarray(image))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_whatever_else_exif_says(kind, order, orientation):
    entries = [
        (0x0100, 5, 1, struct.pack(f"{order}I", 0xFFFFFFF0)),  # ImageWidth as a RATIONAL that lies outside
        (0x0112, 3, 1, struct.pack(f"{order}HH", orientation, 0)),
        (0x8769, 4, 1, struct.pack(f"{order}I", 8)),  # a directory that contains itself
    ]
    block = b"Exif\0\0" + tiff_block(order, entries)
    plain = pixels(3)
    quality = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    content = saved(plain, kind, exif=block, **quality)
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(saved(plain, kind, exif=exif, **quality))))
    assert np.array_equal(read_image(content), np.asarray(expected.convert("RGB")))


@pytest.mark.parametrize(
    "block", [b"", b"II", b"II*\0\xff\xff\xff\xff", tiff_block("<", [(0x0112, 5, 1, b"\xff" * 4)]), b"\xff" * 100]
)
def test_exif_that_cannot_be_read_means_upright(block):
    plain = saved(pixels(3), "JPEG")
    assert np.array_equal(read_image(with_exif(plain, block)), read_image(plain))


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
from trainspec.data import images
content = open(sys.argv[1], "rb").read()
images.os.cpu_count = lambda: 16
# measured
print(len(list(images.decode_all([(str(number), content) for number in range(int(sys.argv[2]))], 8))))
"""
    answer, grown = measured(program, path, count)
    assert int(answer) == count
    assert grown < 1000


def test_what_is_not_an_ordinary_file(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "empty.png").write_bytes(b"")
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(6 << 30)
    with (tmp_path / "large.png").open("wb") as file:
        file.write(samples()["rgb.png"])
        file.truncate(MAX_BYTES + 1)
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # a socket's path is short
        listening.bind("socket.png")
        found = {}
        for path in (*tmp_path.iterdir(), Path("/dev/zero"), tmp_path / "none.png", Path("nul\0.png")):
            with pytest.raises(ImageError) as error:
                read_image(path)
            assert str(error.value).startswith(str(path))
            found[path.name] = str(error.value)
    for name, words in {
        "fifo.png": "not an ordinary file",
        "socket.png": "not an ordinary file",
        "zero": "not an ordinary file",
        "folder.png": "a folder",
        "link.png": "a link to a file that does not exist",
        "loop.png": "Too many levels",
        "empty.png": "an empty file",
        "sparse.png": "not an image",
        "large.png": "at most 128 MiB",
        "none.png": "no such file",
        "nul\0.png": "null",
    }.items():
        assert words in found[name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(samples()["rgb.png"])
    path.chmod(0)
    with pytest.raises(ImageError, match="Permission denied"):
        read_image(path)


@pytest.mark.parametrize(
    "error", [MemoryError(), RecursionError("deep"), OverflowError("x"), SystemError("\n"), Warning()]
)
def test_whatever_a_decoder_raises(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(ImageError, match=r"^x\.png: cannot be read as an image \(.+\)"):
        read_image(samples()["rgb.png"], name="x.png")


def test_only_so_many_pixels_are_decoded_at_once(monkeypatch):
    content = saved(pixels(3, size=(100, 100)), "PNG")
    running, most = [], []

    def decode(content, size, name):
        running.append(name)
        most.append(len(running))
        image = deploy.images.read_image(content, size, name)
        running.remove(name)
        return image

    monkeypatch.setattr(training, "decode", decode)
    monkeypatch.setattr(training, "MAX_PIXELS", 20_000)
    monkeypatch.setattr(training.os, "cpu_count", lambda: 8)
    files = [(f"{number}.png", content) for number in range(60)]
    assert [name for name, _ in training.decode_all(iter(files), 4)] == [name for name, _ in files]
    assert max(most) <= 2
