"""Brightness and contrast."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainspec.augment.transform import Draws, Transform
from trainspec.distributions import uniform
from trainspec.stream import Stream


@dataclass(frozen=True)
class Color(Transform):
    """Adds up to `brightness` to a normalised image, up or down, then multiplies it by 1 plus up to `contrast`.

    Both numbers are uniform, and one for all channels, as in Hiverge's speedrun of CIFAR-10, which has 0.1399 and
    0.1308. The units are the data set's deviations.
    """

    kind = "color"
    purpose = 19

    brightness: float = field(default=0.1, metadata={"least": 0.0, "most": 10.0})
    contrast: float = field(default=0.1, metadata={"least": 0.0, "most": 1.0})

    def draw(self, stream: Stream, samples: int) -> dict[str, NDArray[Any]]:
        """`added` and `factor`, float32 `(N,)`."""
        words = stream.words(2 * samples).reshape(samples, 2)
        added = uniform(words[:, 0], -self.brightness, self.brightness)
        factor = 1 + uniform(words[:, 1], -self.contrast, self.contrast)
        return {"added": added.astype(np.float32), "factor": factor.astype(np.float32)}

    def apply(self, images: NDArray[np.float32], draws: Draws) -> NDArray[np.float32]:
        """Images with another brightness and contrast."""
        added, factor = (draws[name][:, None, None, None] for name in ("added", "factor"))
        changed: NDArray[np.float32] = (images + added) * factor
        return changed
