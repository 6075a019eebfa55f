"""Random boxes of an image, resized to its size."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainspec.augment.boxes import TRIES, clipped, first_size, pixels
from trainspec.augment.transform import Draws, Transform, picture_of
from trainspec.distributions import uniform
from trainspec.stream import Stream


@dataclass(frozen=True)
class RandomResizedCrop(Transform):
    """Cuts a box out of the pixels and resizes it to the size of the image (1409.4842), as torchvision does.

    The box covers from `least_area` to all of the image. Its width is from `least_ratio` to `1 / least_ratio` times its
    height, uniform on a logarithmic scale. If none of ten drawn sizes fits, it is the greatest box of an allowed ratio
    in the middle. The box is cut out before it is resized, so that no pixel beyond it has an influence.

    Of images in memory it cuts the resized image, of images in files (`data.storage`) the whole one.
    """

    kind = "random_resized_crop"
    purpose = 24
    host_only = True
    stage = "pixels"
    cuts = True

    least_area: float = field(default=0.08, metadata={"above": 0.0, "most": 1.0})
    least_ratio: float = field(default=0.75, metadata={"least": 0.01, "most": 1.0})

    def draw(self, stream: Stream, samples: int) -> dict[str, NDArray[Any]]:
        """`place`, float32 `(N, 2)`; `area` and `log_ratio` of each try, float32 `(N, TRIES)`."""
        words = stream.words((2 + 2 * TRIES) * samples).reshape(samples, -1)
        widest = -math.log(self.least_ratio)
        return {
            "place": uniform(words[:, :2]).astype(np.float32),
            "area": uniform(words[:, 2 : 2 + TRIES], self.least_area, 1.0).astype(np.float32),
            "log_ratio": uniform(words[:, 2 + TRIES :], -widest, widest).astype(np.float32),
        }

    def fitted(self, draws: Draws, height: int, width: int) -> Draws:
        """`box`, int32 `(B, 4)`."""
        size, found = first_size(draws["area"], draws["log_ratio"], height, width, (height, width))
        most = np.rint([min(height, width / self.least_ratio), min(width, height / self.least_ratio)]).astype(np.int64)
        size = np.where(found[:, None], size, most)
        spare = np.array([height, width]) - size
        top, left = np.where(found[:, None], pixels(draws["place"], spare + 1), spare // 2).T
        return {"box": clipped(top, left, size, height, width)}

    def apply(self, images: NDArray[np.uint8], draws: Draws) -> NDArray[np.uint8]:
        """Images of their boxes, resized by Pillow's bilinear filter, which averages where it makes smaller."""
        resized = np.empty_like(images)
        for target, array, box in zip(resized, images, draws["box"], strict=True):
            made = resized_box(picture_of(array), box, images.shape[1:3])
            target[:] = np.asarray(made).reshape(target.shape)
        return resized

    def cut(self, image: Image.Image, draws: Draws, size: tuple[int, int]) -> Image.Image:
        """The box of a whole image: its area and its ratio are those of the file's own pixels, as in torchvision."""
        (box,) = self.fitted(draws, image.height, image.width)["box"]
        return resized_box(image, box, size)


def resized_box(image: Image.Image, box: NDArray[np.int32], size: tuple[int, ...]) -> Image.Image:
    """A box of an image, resized to `size`, `(H, W)`."""
    top, left, bottom, right = box.tolist()
    return image.crop((left, top, right, bottom)).resize((size[1], size[0]), Image.Resampling.BILINEAR)
