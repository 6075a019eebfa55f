"""Augmentation: the transforms of training images, one file each, and the recipe's section that chooses them."""

from dataclasses import dataclass, field, fields
from typing import Literal, get_args, get_type_hints

from diptych.errors import RecipeError
from trainspec.augment.color import Color
from trainspec.augment.crop import Crop
from trainspec.augment.cutmix import CutMix
from trainspec.augment.cutout import Cutout
from trainspec.augment.flip import Flip
from trainspec.augment.mixing import OTHERS, PARTNER, Mixing
from trainspec.augment.mixup import Mixup
from trainspec.augment.rand_augment import RandAugment
from trainspec.augment.random_erasing import RandomErasing
from trainspec.augment.random_resized_crop import RandomResizedCrop
from trainspec.augment.shift import Shift
from trainspec.augment.transform import Draws, Stage, Transform
from trainspec.augment.trivial_augment import TrivialAugment
from trainspec.data.dataset import DataSet

__all__ = [
    "OTHERS",
    "PARTNER",
    "VOCABULARY",
    "Augmentation",
    "Color",
    "Crop",
    "CutMix",
    "Cutout",
    "Draws",
    "Flip",
    "Mixing",
    "Mixup",
    "RandAugment",
    "RandomErasing",
    "RandomResizedCrop",
    "Shift",
    "Stage",
    "Transform",
    "TrivialAugment",
]


@dataclass(frozen=True)
class Augmentation:
    """The transforms that a recipe uses, applied in this order. A transform that is None is off.

    Those of pixels come first. Mixing comes last, so each image of a pair is first changed by itself.

    `normalise`: by the data set's own mean and deviation ("dataset"), to -1..1 ("half"), or to 0..1 ("unit"). `mean`
    and `std`, a number for each channel on the scale of 0 to 255, are used in place of what `normalise` says.
    """

    normalise: Literal["dataset", "half", "unit"] = "dataset"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = field(default=None, metadata={"above": 0.0, "also": ("deviation",)})
    crop: Crop | None = field(default=None, metadata={"also": ("random_crop",)})
    flip: Flip | None = field(default=None, metadata={"also": ("hflip", "mirror", "horizontal_flip")})
    shift: Shift | None = None
    random_resized_crop: RandomResizedCrop | None = field(default=None, metadata={"also": ("rrc",)})
    rand_augment: RandAugment | None = field(default=None, metadata={"also": ("randaugment",)})
    trivial_augment: TrivialAugment | None = field(default=None, metadata={"also": ("trivialaugment",)})
    color: Color | None = field(default=None, metadata={"also": ("color_jitter",)})
    cutout: Cutout | None = None
    random_erasing: RandomErasing | None = field(default=None, metadata={"also": ("erasing",)})
    mixup: Mixup | None = None
    cutmix: CutMix | None = None

    def problem(self) -> str | None:
        """What is wrong with the transforms taken together; None if nothing is."""
        if len(self.mixing) > 1:
            return f"{self.mixing[1].kind}: cannot be combined with {self.mixing[0].kind}; turn one of them off"
        return None

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """The transforms that are on, in order."""
        return tuple(chosen for kind in VOCABULARY if (chosen := getattr(self, kind)) is not None)

    @property
    def mixing(self) -> tuple[Mixing, ...]:
        """The transforms that mix images and targets."""
        return tuple(one for one in self.transforms if isinstance(one, Mixing))

    @property
    def host_only(self) -> tuple[Transform, ...]:
        """The transforms that need NumPy to make the batches."""
        return tuple(transform for transform in self.transforms if transform.host_only)

    def constants(self, data: DataSet) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """`(mean, std)` per channel on the 0..1 scale, for `plan.apply`.

        Raises `RecipeError` where the recipe's own constants are for another number of channels.
        """
        channels = len(data.mean)
        usual = {
            "dataset": (data.mean, data.std),
            "half": ((0.5,) * channels, (0.5,) * channels),
            "unit": ((0.0,) * channels, (1.0,) * channels),
        }
        mean, std = usual[self.normalise]
        return self._own("mean", data) or mean, self._own("std", data) or std

    def _own(self, name: str, data: DataSet) -> tuple[float, ...]:
        """The recipe's own constants on the 0..1 scale, for each channel of `data`; empty without any."""
        own, channels = getattr(self, name), len(data.mean)
        if own is not None and len(own) != channels:
            given = f"augmentation.{name} has {len(own)} numbers, but {data.label} has {channels} channels"
            raise RecipeError(f"{given}; give one for each channel")
        return tuple(value / 255 for value in own or ())

    def __str__(self) -> str:
        return ", ".join(map(str, self.transforms)) or "none"


def _vocabulary() -> dict[str, type[Transform]]:
    """The transforms by kind, from the fields of `Augmentation`."""
    kinds = get_type_hints(Augmentation)
    chosen = {one.name: get_args(kinds[one.name]) for one in fields(Augmentation)}
    return {name: types[0] for name, types in chosen.items() if isinstance(types[0], type)}


VOCABULARY = _vocabulary()
