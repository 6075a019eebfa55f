"""Which layers of a network stay in float32, by what the validation split shows."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from onnx_impl import quantization
from trainspec.data import open_data


@dataclass
class Spoiling:
    """Ten layers: layer `n` alone adds a noise of `n`, and fewer than `needed` in float32 lose too much.

    Too much are `lost` points, with an interval that ends at `end`.
    """

    needed: int
    lost: float = 1.5
    end: float = 2.0
    layers: list[str] = field(default_factory=lambda: [str(number) for number in range(10)])
    answered: list[bytes] = field(default_factory=list)

    def quantized(self, *, only=(), without=()):
        self.alone, self.kept = only, without
        return self

    def SerializeToString(self):  # noqa: N802
        return b"smaller"

    def logits(self, content, images):
        return np.full((4, 2), 100.0) + (int(self.alone[0]) if content else 0)

    def right(self, content, split):
        self.answered.append(content)

    def points_lost(self, *arguments):
        lost, end = (0.2, 0.7) if len(self.kept) >= self.needed else (self.lost, self.end)
        return lost, 0.0, end


@pytest.mark.parametrize("needed", [0, 1, 2, 5, 9, 10])
def test_the_fewest_of_the_noisiest_layers_stay_in_float32(needed):
    digits = open_data("digits", 16, notice=str)
    expected = [str(9 - place) for place in range(needed)]
    for spoiling in (Spoiling(needed), Spoiling(needed, lost=0.8, end=1.3)):  # the second alone would be refused later
        assert quantization._kept_in_float(spoiling, b"", spoiling, digits, 1.0, str) == expected
        assert spoiling.answered.count(b"") == 1  # the float32 file answers once


def test_too_few_test_images_for_the_limit_leave_the_points_to_judge():
    digits = open_data("digits", 16, notice=str)
    few = replace(digits, test=digits.test.take(np.arange(50)))
    for lost, kept in ((0.8, 0), (1.2, 5)):
        spoiling = Spoiling(5, lost=lost, end=4.0)
        assert len(quantization._kept_in_float(spoiling, b"", spoiling, few, 1.0, str)) == kept
