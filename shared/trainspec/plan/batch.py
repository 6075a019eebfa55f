"""A batch of a training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class Batch:
    """As NumPy makes it: `images` float32 `(B, H, W, C)`, normalised, and soft `targets` float64 `(B, classes)`.

    `noise` has the masks of the ops that draw, by the input's name, uint8: `(B, H, W, C)` or `(B, C)`. A trainer
    places a batch: then these are its own tensors, on its device, and maps have the axes of the framework.
    """

    images: Any
    targets: Any
    noise: Mapping[str, Any] = field(default_factory=dict)
