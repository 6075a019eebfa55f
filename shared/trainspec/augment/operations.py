"""Pillow's operations on images of 0..255, as RandAugment and TrivialAugment choose them.

The operations, their order and their magnitudes are those of torchvision's `RandAugment` and `TrivialAugmentWide`, with
its defaults: the nearest pixel, and black outside the image. Magnitudes are float64 here. torchvision's are float32,
and in one case this shows: TrivialAugment's shift by 16 pixels, level 15, is one by 15 there.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from trainspec.augment.transform import Draws, Transform, picture_of

LEVELS = 31  # magnitudes go from level 0, no change, to level 30
Picture = Image.Image


@dataclass(frozen=True)
class Space:
    """The greatest magnitudes: of shears; of shifts, in pixels, by the image's side; of rotations, in degrees; of the
    change of a factor of an enhancement; and of the bits that are dropped."""

    shear: float
    shift: Callable[[int], float]
    degrees: float
    change: float
    bits: int


@dataclass(frozen=True)
class Operation:
    """`apply` changes an image by a magnitude of at most `most`, given the space and `(width, height)`.

    A `signed` magnitude may be negative.
    """

    apply: Callable[[Picture, float], Picture]
    most: Callable[[Space, tuple[int, int]], float] = lambda space, size: 0.0
    signed: bool = False


def _moved(image: Picture, *matrix: float) -> Picture:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


def _enhancing(kind: Any) -> Operation:
    return Operation(lambda image, change: kind(image).enhance(1 + change), lambda space, size: space.change, True)


OPERATIONS = {
    "identity": Operation(lambda image, _: image),
    "shear_x": Operation(lambda image, by: _moved(image, 1, by, 0, 0, 1, 0), lambda space, size: space.shear, True),
    "shear_y": Operation(lambda image, by: _moved(image, 1, 0, 0, by, 1, 0), lambda space, size: space.shear, True),
    "translate_x": Operation(
        lambda image, by: _moved(image, 1, 0, -int(by), 0, 1, 0), lambda space, size: space.shift(size[0]), True
    ),
    "translate_y": Operation(
        lambda image, by: _moved(image, 1, 0, 0, 0, 1, -int(by)), lambda space, size: space.shift(size[1]), True
    ),
    "rotate": Operation(lambda image, degrees: image.rotate(degrees), lambda space, size: space.degrees, True),
    "brightness": _enhancing(ImageEnhance.Brightness),
    "color": _enhancing(ImageEnhance.Color),
    "contrast": _enhancing(ImageEnhance.Contrast),
    "sharpness": _enhancing(ImageEnhance.Sharpness),
    "posterize": Operation(
        lambda image, dropped: ImageOps.posterize(image, 8 - round(dropped)), lambda space, size: space.bits
    ),
    "solarize": Operation(lambda image, by: ImageOps.solarize(image, math.ceil(255 - by)), lambda space, size: 255.0),
    "auto_contrast": Operation(lambda image, _: ImageOps.autocontrast(image)),
    "equalize": Operation(lambda image, _: ImageOps.equalize(image)),
}
ORDERED = tuple(OPERATIONS.values())


@dataclass(frozen=True)
class Operations(Transform):
    """A transform that applies operations of a `space`, one after the other.

    Its draws: the number of each `operation`, its `level` and whether it is `negative`, `(N, operations)` each.
    """

    host_only = True
    stage = "pixels"
    space: ClassVar[Space]

    def apply(self, images: NDArray[np.uint8], draws: Draws) -> NDArray[np.uint8]:
        """Images changed by their operations."""
        changed = np.empty_like(images)
        chosen = np.stack([draws["operation"], draws["level"], draws["negative"]], axis=-1).tolist()
        for target, array, row in zip(changed, images, chosen, strict=True):
            image = picture_of(array)
            for number, level, negative in row:
                operation = ORDERED[number]
                magnitude = operation.most(self.space, image.size) * level / (LEVELS - 1)
                image = operation.apply(image, -magnitude if negative and operation.signed else magnitude)
            target[:] = np.asarray(image).reshape(target.shape)
        return changed
