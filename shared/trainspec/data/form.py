"""The form of a data set's images: what a network gets, whatever the files hold."""

from dataclasses import dataclass
from typing import Literal, Self, get_args

from deploy.contract import COLOR_RULES, RESIZE_RULES, Contract

Resize = Literal["crop", "margin", "squash"]  # the names of `RESIZE_RULES`
Channels = Literal[1, 3]
Storage = Literal["auto", "memory", "files"]


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
    def of_file(cls, contract: Contract) -> Self:
        """The form that an ONNX file takes. Its images are square."""
        names: dict[str, Resize] = {RESIZE_RULES[name]: name for name in get_args(Resize)}
        return cls(contract.image_size[0], names[contract.resize_rule], 1 if len(contract.mean) == 1 else 3)

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
