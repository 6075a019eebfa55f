"""A batch of a training."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class Batch:
    """NumPy makes normalised `images`, float32 `(B, H, W, C)`, and soft `targets`, float64 `(B, classes)`.

    `noise` has the masks of the random ops by input name, uint8 `(B, H, W, C)` or `(B, C)`. After `Trainer.place`, all
    of them are the framework's tensors on its device, and feature maps have the framework's order of axes. The loss is
    multiplied by `loss_weight`.
    """

    images: Any
    targets: Any
    noise: Mapping[str, Any] = field(default_factory=dict)
    loss_weight: Any = 1.0

    def parts(self, count: int) -> Iterator["Batch"]:
        """The batch in `count` equal parts, in order. One part is the batch itself, without a copy."""
        if count == 1:
            yield self
            return
        size = len(self.targets) // count
        for start in range(0, size * count, size):
            here = slice(start, start + size)
            noise = {name: mask[here] for name, mask in self.noise.items()}
            yield Batch(self.images[here], self.targets[here], noise, self.loss_weight)
