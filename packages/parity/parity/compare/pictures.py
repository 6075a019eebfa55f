"""Small pictures of test images, inside the page."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parity.compare.answers import Answers

MOST = 40  # pictures on a page
PIXELS = 64  # of the longer side, at most


@dataclass(frozen=True)
class Picture:
    """An image of the test split by its `number` (from 0), its true class, and the answer of each run."""

    number: int
    truth: str
    answers: tuple[str, ...]
    address: str

    @property
    def marked(self) -> list[tuple[str, bool]]:
        """The answers, and whether they are right."""
        return [(answer, answer == self.truth) for answer in self.answers]


def pictures(answers: Answers) -> list[Picture]:
    """Images on which the runs disagree; of many, some from all over the test split, which may be ordered by class."""
    names, split, apart = answers.classes, answers.split, answers.apart
    chosen = np.linspace(0, len(apart) - 1, min(MOST, len(apart))).round().astype(int)
    return [
        Picture(
            number,
            names[split.labels[number]],
            tuple(names[predictions[number]] for predictions in answers.predictions),
            _address(split.read(np.array([number]))[0]),
        )
        for number in map(int, apart[chosen])
    ]


def _address(pixels: NDArray[np.uint8]) -> str:
    """Pixels `(H, W, C)` as a data address of a PNG."""
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((PIXELS, PIXELS))
    file = io.BytesIO()
    image.save(file, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
