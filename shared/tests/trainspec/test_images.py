"""The one reader of images: the files that it takes, and the pixels that it gives."""

import ast
import io
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from mutations import pixels, samples, saved, tiff_block, with_exif
from PIL import Image, ImageOps

import deploy.images
import trainspec.data.images as training
from deploy.errors import ImageError
from deploy.images import read_image
from diptych.errors import DataError
from trainspec.data import Form
from trainspec.data.images import resize_arrays

REFUSED = {"deep.png", "old.gif", "plain.bmp", "plain.tif", "plain.ppm"}


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
            training.decode(content, Form(8), name)
        return
    image = read_image(content, name=name)
    with Image.open(io.BytesIO(content)) as opened:
        upright = ImageOps.exif_transpose(opened)
        if not upright.has_transparency_data:
            assert np.array_equal(image, np.asarray(upright.convert("RGB")))
        assert image.shape == (*upright.size[::-1], 3)
    assert np.array_equal(training.decode(content, Form(8), name), read_image(content, (8, 8)))
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


def test_a_pipe_that_gives_a_part_at_a_time():
    content = samples()["rgb.png"]

    class Pipe(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 100))

    assert np.array_equal(read_image(Pipe(content)), read_image(content))


def test_scans_are_those_of_the_image():
    """A phone appends a video to its photo. The marker of a scan occurs in it by chance."""
    content = samples()["progressive.jpg"]
    assert np.array_equal(read_image(content + b"\xff\xda\0\2" * 300), read_image(content))
    end = content.rindex(b"\xff\xd9")
    hidden = b"\xff\xfe\0\4\xff\xd9"  # a comment that looks like the end of the image
    with pytest.raises(ImageError, match="more than 200 scans"):
        read_image(content[:end] + hidden + b"\xff\xda\0\2" * 300 + content[end:])


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


def test_the_resize_rule():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    assert resize_arrays(images, Form(8)) is images
    wide = np.zeros((1, 8, 16, 3), np.uint8)
    wide[:, :, 3:13] = 200  # the centred square, and the pixel beside it that the filter sees
    assert (resize_arrays(wide, Form(4)) == 200).all()
    checks = np.indices((16, 16)).sum(0) % 2 * 255
    small = resize_arrays(np.repeat(checks[None, ..., None], 3, -1).astype(np.uint8), Form(4))
    assert abs(small.astype(int) - 128).max() < 24  # antialiased: grey, not black or white
