"""Augmentation: the transforms of training images, one file each, and the recipe's section that chooses them."""

from dataclasses import dataclass, field, fields
from typing import Literal, get_args, get_type_hints

from trainspec.augment.crop import Crop
from trainspec.augment.flip import Flip
from trainspec.augment.transform import Draws, Transform
from trainspec.data.dataset import DataSet

__all__ = ["VOCABULARY", "Augmentation", "Crop", "Draws", "Flip", "Transform"]


@dataclass(frozen=True)
class Augmentation:
    """The transforms that a recipe uses, applied in this order. A transform that is None is off.

    `normalise`: by the data set's own mean and deviation ("dataset"), to -1..1 ("half"), or to 0..1 ("unit").
    """

    normalise: Literal["dataset", "half", "unit"] = "dataset"
    crop: Crop | None = field(default=None, metadata={"also": ("random_crop",)})
    flip: Flip | None = field(default=None, metadata={"also": ("hflip", "mirror", "horizontal_flip")})

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """The transforms that are on, in order."""
        return tuple(chosen for kind in VOCABULARY if (chosen := getattr(self, kind)) is not None)

    @property
    def host_only(self) -> tuple[Transform, ...]:
        """The transforms that need NumPy to make the batches."""
        return tuple(transform for transform in self.transforms if transform.host_only)

    def constants(self, data: DataSet) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """`(mean, std)` per channel on the 0..1 scale, for `plan.apply`."""
        channels = len(data.mean)
        match self.normalise:
            case "dataset":
                return data.mean, data.std
            case "half":
                return (0.5,) * channels, (0.5,) * channels
            case "unit":
                return (0.0,) * channels, (1.0,) * channels

    def __str__(self) -> str:
        return ", ".join(map(str, self.transforms)) or "none"


def _vocabulary() -> dict[str, type[Transform]]:
    """The transforms by kind, from the fields of `Augmentation`."""
    kinds = get_type_hints(Augmentation)
    chosen = {one.name: get_args(kinds[one.name]) for one in fields(Augmentation)}
    return {name: types[0] for name, types in chosen.items() if isinstance(types[0], type)}


VOCABULARY = _vocabulary()
