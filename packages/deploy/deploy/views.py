"""Test-time augmentation: the views of an image that are classified, and the weight of each in the mean of the logits.

`mirror_shift` are the six views of airbench (KellerJordan/cifar10-airbench): the image, and the image shifted by one
pixel up and left and by one down and right, each also mirrored. What a shift brings in is a reflection at the border.
NumPy only: training, evaluation and deployment all take their views from here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.errors import UsageError
from deploy.options import nearest


@dataclass(frozen=True)
class View:
    """A view of an image: shifted down and right by `(down, right)` pixels, then mirrored left to right."""

    weight: float
    mirrored: bool = False
    shift: tuple[int, int] = (0, 0)

    def of(self, images: NDArray[Any]) -> NDArray[Any]:
        """This view of images `(N, H, W, C)` of any dtype."""
        _, height, width, _ = images.shape
        down, right = self.shift
        if self.shift != (0, 0):
            border = max(abs(down), abs(right))
            padded = np.pad(images, ((0, 0), (border, border), (border, border), (0, 0)), mode="reflect")
            images = padded[:, border - down :, border - right :][:, :height, :width]
        return np.ascontiguousarray(images[:, :, ::-1] if self.mirrored else images)


VIEWS = {  # the weights of a kind sum to 1
    "none": (View(1.0),),
    "mirror": (View(0.5), View(0.5, mirrored=True)),
    "mirror_shift": (
        View(0.25),
        View(0.25, mirrored=True),
        View(0.125, shift=(1, 1)),
        View(0.125, mirrored=True, shift=(1, 1)),
        View(0.125, shift=(-1, -1)),
        View(0.125, mirrored=True, shift=(-1, -1)),
    ),
}


def views_of(tta: str) -> tuple[View, ...]:
    """The views of a kind of test-time augmentation. Raises `UsageError` for an unknown name."""
    if not isinstance(tta, str) or tta not in VIEWS:
        raise UsageError(f"tta {str(tta)[:40]!r} is not known{nearest(str(tta), VIEWS)}")
    return VIEWS[tta]


def mean_logits(
    forward: Callable[[NDArray[Any]], NDArray[Any]], images: NDArray[Any], tta: str = "none"
) -> NDArray[np.float64]:
    """float64 logits `(N, classes)`: the weighted mean of `forward` over the views of `images` `(N, H, W, C)`.

    Raises `UsageError` for an unknown `tta`.
    """
    total: Any = sum(view.weight * np.asarray(forward(view.of(images)), np.float64) for view in views_of(tta))
    return total
