"""The form of a data set's images: what a network gets, whatever the files hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, get_args

from deploy.contract import COLOR_RULES, RESIZE_RULES, Contract
from diptych.errors import DataError, DiptychError

Resize = Literal["crop", "margin", "squash"]  # the names of `RESIZE_RULES`
Channels = Literal[1, 3]
Storage = Literal["auto", "memory", "files"]


def square(size: Sequence[int], source: object, error: type[DiptychError] = DataError) -> int:
    """The side of the images `(H, W)` that `source` takes. Raises `error` where they are not square."""
    if len(size) != 2 or size[0] != size[1]:
        shown = "x".join(map(str, size)) or "no images"
        raise error(f"{source} takes {shown}, but data sets are read as square images")
    return size[0]


@dataclass(frozen=True)
class Form:
    """Images are uint8 `(size, size, channels)`. The same rules hold in training, evaluation and deployment.

    `storage`: whether all images are decoded into memory, or each one from its file when it is needed; "auto" decides
    by the memory that is free.
    """

    size: int
    resize: Resize = "crop"
    channels: Channels = 3
    storage: Storage = "auto"

    @classmethod
    def of_file(cls, contract: Contract, source: object) -> Self:
        """The form that the ONNX file `source` takes. Raises `DataError` where its images are not square."""
        names: dict[str, Resize] = {RESIZE_RULES[name]: name for name in get_args(Resize)}
        return cls(
            square(contract.image_size, source), names[contract.resize_rule], 1 if len(contract.mean) == 1 else 3
        )

    @property
    def rule(self) -> str:
        """How an image is resized, in the words of `deploy.contract`."""
        return RESIZE_RULES[self.resize]

    @property
    def color_rule(self) -> str:
        """How an image becomes one with `channels`, in the words of `deploy.contract`."""
        return COLOR_RULES[self.channels]

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(H, W, C)`."""
        return self.size, self.size, self.channels

    @property
    def notes(self) -> tuple[str, ...]:
        """The rules in sentences."""
        color = () if self.channels == 3 else (f"Colour: {self.color_rule}.",)
        return (f"Resize rule: {self.rule}.", *color)
