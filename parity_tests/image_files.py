"""Image files of every kind that is read, drawn for the tests: formats, modes, shapes, profiles and orientations."""

import io
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Slopes, edges and some noise."""
    y, x = np.mgrid[:height, :width]
    waves = [
        np.sin((seed + 1 + plane) * y / height * 5) * np.cos((2 + plane) * x / width * 4) for plane in range(channels)
    ]
    edges = 60 * ((x * 5 // width + y * 3 // height) % 2)[..., None]
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, channels))
    return np.clip(100 + 80 * np.stack(waves, 2) + edges + noise, 0, 255).astype(np.uint8)


def image(height: int, width: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    if mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        pixels = picture(height, width, len(Image.new(mode, (1, 1)).getbands()), seed)
        return Image.frombytes(mode, (width, height), pixels.tobytes())
    return Image.fromarray(picture(height, width, 3, seed)).convert(mode)


def file(of: Image.Image, kind: str, **settings: Any) -> bytes:
    stream = io.BytesIO()
    of.save(stream, kind, **settings)
    return stream.getvalue()


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def png_text(**entries: Any) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for kind, chunk in entries.items():
        info.add(kind.encode(), chunk)
    return info


def png_files() -> dict[str, bytes]:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    raw = b"\nexif\n  00\n" + exif(5).hex().encode()
    text = png_text(iTXt=b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.encode())
    packed = png_text(zTXt=b"Raw profile type exif\0\0" + zlib.compress(raw))
    gamma = png_text(gAMA=(100_000).to_bytes(4, "big"))
    palette = image(40, 61, "P", 4)
    return {
        "photo": file(image(120, 160), "PNG"),
        "tall": file(image(301, 44, seed=1), "PNG"),
        "tiny": file(image(7, 5, seed=2), "PNG"),
        "large": file(image(900, 1201, seed=3), "PNG"),
        "its own size": file(image(12, 9, seed=5), "PNG"),
        "grey": file(image(50, 40, "L"), "PNG"),
        "grey and transparent": file(image(50, 40, "LA"), "PNG"),
        "transparent": file(image(60, 70, "RGBA"), "PNG"),
        "palette": file(palette, "PNG"),
        "palette and transparent": file(palette, "PNG", transparency=bytes(range(0, 256, 4))),
        "two colours": file(image(33, 47, "1"), "PNG"),
        "profile": file(image(40, 50), "PNG", icc_profile=profile),
        "gamma": file(image(40, 50), "PNG", pnginfo=gamma),
        "turned": file(image(40, 50), "PNG", exif=exif(6)),
        "turned by XMP": file(image(40, 50), "PNG", pnginfo=text),
        "turned by text": file(image(40, 50), "PNG", pnginfo=packed),
    }


def jpeg_files() -> dict[str, bytes]:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    turned = {f"orientation {way}": file(image(90, 125, seed=way), "JPEG", exif=exif(way)) for way in range(1, 9)}
    return turned | {
        "photo": file(image(120, 160), "JPEG", quality=90),
        "strong": file(image(120, 161), "JPEG", quality=30),
        "full colour": file(image(121, 160), "JPEG", subsampling=0),
        "progressive": file(image(200, 150), "JPEG", progressive=True),
        "with a video": file(image(90, 80), "JPEG") + 500 * b"\xff\xda\x00\x04..",
        "grey": file(image(77, 99, "L"), "JPEG"),
        "large": file(image(1200, 900), "JPEG"),
        "profile": file(image(80, 80), "JPEG", icc_profile=profile),
        "XMP": file(image(80, 90), "JPEG", xmp=XMP.encode()),
    }


def webp_files() -> dict[str, bytes]:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {
        "lossy": file(image(120, 161), "WEBP", quality=80),
        "transparent": file(image(80, 61, "RGBA"), "WEBP", lossless=True, exact=True),
        "turned": file(image(80, 61), "WEBP", lossless=True, exif=exif(8), icc_profile=profile),
    }
