"""What every transform of the training images has."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trainspec.stream import Stream

Draws = Mapping[str, NDArray[Any]]  # a transform's random numbers by name, in rows of a sample each


@dataclass(frozen=True)
class Transform:
    """A transform; its fields are the recipe's, in the table `[augmentation.<kind>]`.

    `kind` is also the name of its handlers in the frameworks' `augment.py`. `purpose` is the number of its random
    stream: no other has it. A transform that is `host_only` has no handlers: NumPy makes the batches of a recipe that
    uses it, on a GPU too.
    """

    kind: ClassVar[str]
    purpose: ClassVar[int]
    host_only: ClassVar[bool] = False

    def draw(self, stream: Stream, samples: int) -> dict[str, NDArray[Any]]:
        """What is random about an epoch over `samples` images: arrays with a row for each sample of the data set."""
        raise NotImplementedError

    def apply(self, images: NDArray[np.float32], draws: Draws) -> NDArray[np.float32]:
        """The transformed images. `images`, float32 `(B, H, W, C)`, are normalised; `draws` has a row for each."""
        raise NotImplementedError

    def __str__(self) -> str:
        values = ", ".join(f"{name} {value}" for name, value in asdict(self).items())
        return f"{self.kind} ({values})" if values else self.kind
