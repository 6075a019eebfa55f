"""The base class of the transforms of training images."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainspec.stream import Stream

Draws = Mapping[str, NDArray[Any]]  # a transform's random numbers by name, with a row for each sample


Stage = Literal["pixels", "normalised"]


@dataclass(frozen=True)
class Transform:
    """A transform. Its fields are the keys of the recipe's table `[augmentation.<kind>]`.

    `kind` is also the name of its handlers in the frameworks' `augment.py`. `purpose` is the number of its random
    stream, and differs for every transform. A `host_only` transform does not have handlers: if a recipe uses one, NumPy
    makes the batches, on a GPU too. `stage`: whether it changes uint8 `pixels`, or images that are `normalised`. A
    transform that `cuts` takes a part of an image: where images are read from files, `cut` takes it from the whole
    image, before any other transform, and the image is not resized by the data set's rule.
    """

    kind: ClassVar[str]
    purpose: ClassVar[int]
    host_only: ClassVar[bool] = False
    stage: ClassVar[Stage] = "normalised"
    cuts: ClassVar[bool] = False

    def draw(self, stream: Stream, samples: int) -> dict[str, NDArray[Any]]:
        """The random draws for an epoch: arrays with a row for each of `samples` (see `EpochPlan`)."""
        raise NotImplementedError

    def of_batch(self, draws: Draws) -> Draws:
        """The draws of a batch. `draws` has a row per image."""
        return draws

    def fitted(self, draws: Draws, height: int, width: int) -> Draws:
        """The draws of a batch for images of a size, as `apply` and the handlers take them.

        NumPy works them out for all frameworks, so that none of them rounds a number of pixels.
        """
        return draws

    def problem_on(self, height: int, width: int) -> str | None:
        """What makes the transform useless on images of a size, as `key: what to do`; None if nothing does."""
        return None

    def apply(self, images: NDArray[Any], draws: Draws) -> NDArray[Any]:
        """The transformed images. `images`, `(B, H, W, C)`, are of the dtype of the stage: uint8, or float32.

        `draws` are `fitted` and have a row per image.
        """
        raise NotImplementedError

    def cut(self, image: Image.Image, draws: Draws, size: tuple[int, int]) -> Image.Image:
        """The part of a whole image, resized to `size`, `(H, W)`. `draws` have a row for this image alone."""
        raise NotImplementedError

    def __str__(self) -> str:
        values = {one.name: (getattr(self, one.name), one.default) for one in fields(self)}
        shown = [f"{name} {value}" for name, (value, usual) in values.items() if is_number(value) or value != usual]
        return f"{self.kind} ({', '.join(shown)})" if shown else self.kind


def picture_of(image: NDArray[np.uint8]) -> Image.Image:
    """An image `(H, W, C)`, of one channel or of three, for Pillow."""
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
