"""Operations on pixels as torchvision writes them, with its matrices; in NumPy where that is as short as Pillow."""

import math

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

TORCHVISION = (
    "Identity",
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
    "Rotate",
    "Brightness",
    "Color",
    "Contrast",
    "Sharpness",
    "Posterize",
    "Solarize",
    "AutoContrast",
    "Equalize",
)
BY_PILLOW = {
    "Color": lambda image, change: ImageEnhance.Color(image).enhance(1 + change),
    "Contrast": lambda image, change: ImageEnhance.Contrast(image).enhance(1 + change),
    "Sharpness": lambda image, change: ImageEnhance.Sharpness(image).enhance(1 + change),
    "Rotate": lambda image, degrees: image.rotate(degrees, Image.Resampling.NEAREST, False, None, fillcolor=(0, 0, 0)),
    "AutoContrast": lambda image, _: ImageOps.autocontrast(image),
    "Equalize": lambda image, _: ImageOps.equalize(image),
}


def magnitudes(width: int, height: int, shear, translate, rotate, enhance, bits) -> dict[str, np.ndarray]:
    """By name, for the 31 levels; an unsigned one ends with `.`."""
    enhanced = {name: np.linspace(0, enhance, 31) for name in ("Brightness", "Color", "Contrast", "Sharpness")}
    return {
        "ShearX": np.linspace(0, shear, 31),
        "ShearY": np.linspace(0, shear, 31),
        "TranslateX": np.linspace(0, translate[0], 31),
        "TranslateY": np.linspace(0, translate[1], 31),
        "Rotate": np.linspace(0, rotate, 31),
        **enhanced,
        "Posterize.": 8 - np.rint(np.arange(31) / (30 / bits)),
        "Solarize.": np.linspace(255, 0, 31),
    }


def operated(array: np.ndarray, name: str, level: int, negative: bool, **space) -> np.ndarray:
    """`array` changed by an operation."""
    height, width = array.shape[:2]
    known = magnitudes(width, height, **space)
    by = known.get(f"{name}.", known.get(name, np.zeros(31)))[level]
    if name in known and negative:
        by = -by
    match name:
        case "Identity":
            return array
        case "Brightness":
            return np.floor(array * np.float32(1 + by)).clip(0, 255).astype(np.uint8)
        case "Posterize":
            return array & np.uint8(256 - 2 ** (8 - int(by)))
        case "Solarize":
            return np.where(array < by, array, 255 - array)
        case "ShearX" | "ShearY" | "TranslateX" | "TranslateY":
            return affine(array, name, by)
    return np.asarray(BY_PILLOW[name](Image.fromarray(array), by))


def affine(array: np.ndarray, name: str, by: float) -> np.ndarray:
    """By torchvision's general matrix, for a centre at the origin."""
    shear_x, shear_y = (math.atan(by) if name == shear else 0.0 for shear in ("ShearX", "ShearY"))
    x, y = (int(by) if name == shift else 0 for shift in ("TranslateX", "TranslateY"))
    a, b = math.cos(-shear_y) / math.cos(shear_y), -math.cos(-shear_y) * math.tan(shear_x) / math.cos(shear_y)
    c, d = math.sin(-shear_y) / math.cos(shear_y), 1 - math.sin(-shear_y) * math.tan(shear_x) / math.cos(shear_y)
    matrix = (d, -b, -d * x + b * y, -c, a, c * x - a * y)
    image = Image.fromarray(array)
    moved = image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=(0, 0, 0))
    return np.asarray(moved)
