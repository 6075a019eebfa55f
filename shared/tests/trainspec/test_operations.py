"""The operations of RandAugment and TrivialAugment, one by one, and the boxes of resized crops."""

import numpy as np
import pytest
from by_pillow import TORCHVISION, operated

from trainspec.augment import RandAugment, RandomResizedCrop, TrivialAugment
from trainspec.augment.operations import LEVELS, OPERATIONS
from trainspec.stream import Stream

WIDTH, HEIGHT = 29, 24
SPACES = {
    RandAugment: {
        "shear": 0.3,
        "translate": (150 / 331 * WIDTH, 150 / 331 * HEIGHT),
        "rotate": 30,
        "enhance": 0.9,
        "bits": 4,
    },
    TrivialAugment: {"shear": 0.99, "translate": (32, 32), "rotate": 135, "enhance": 0.99, "bits": 6},
}


def image() -> np.ndarray:
    """Smooth, of all shades, with some noise."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    smooth = np.stack([row * 10 + column, column * 8 + 5, 250 - row * 4 - column * 4], axis=-1)
    return (smooth + np.random.default_rng(0).integers(0, 9, smooth.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("number", range(14), ids=OPERATIONS)
@pytest.mark.parametrize("kind", SPACES)
def test_an_operation_at_every_level(kind, number, negative):
    levels = np.arange(LEVELS)[:, None]
    draws = {"operation": np.full_like(levels, number), "level": levels, "negative": np.full(levels.shape, negative)}
    made = kind().apply(np.repeat(image()[None], LEVELS, axis=0), draws)
    for level, found in enumerate(made):
        expected = operated(image(), TORCHVISION[number], level, negative, **SPACES[kind])
        np.testing.assert_array_equal(found, expected, err_msg=f"level {level}")
    assert TORCHVISION[number].lower() == list(OPERATIONS)[number].replace("_", "")


@pytest.mark.parametrize("transform", [RandAugment(3, 9), TrivialAugment()], ids=str)
def test_how_often_each_operation_comes(transform):
    draws = transform.draw(Stream(1, 2, transform.purpose), 5000)
    shares = np.bincount(draws["operation"].ravel(), minlength=14) / draws["operation"].size
    assert len(shares) == 14
    assert np.abs(shares - 1 / 14).max() < 0.015
    assert draws["negative"].mean() == pytest.approx(0.5, abs=0.03)
    assert set(draws["level"].ravel()) == ({9} if isinstance(transform, RandAugment) else set(range(31)))


def test_boxes_of_resized_crops():
    crop = RandomResizedCrop()
    draws = crop.draw(Stream(1, 2, crop.purpose), 20_000)
    top, left, bottom, right = crop.fitted(draws, 100, 100)["box"].T.astype(float)
    rows, columns = bottom - top, right - left
    assert min(rows.min(), columns.min()) > 0
    area = draws["area"].astype(float)
    cells = area * 10_000
    ratio = np.exp(draws["log_ratio"].astype(float))
    fits = (np.rint(np.sqrt(cells * ratio)) <= 100) & (np.rint(np.sqrt(cells / ratio)) <= 100)
    assert (rows * columns / 10_000).mean() == pytest.approx(area[fits].mean(), abs=0.01)  # of any try that fits
    assert np.log(columns / rows).mean() == pytest.approx(0, abs=0.01)
    assert 0.73 < (columns / rows).min() < 0.77
    assert 1.3 < (columns / rows).max() < 1.38
    assert (top / np.maximum(1, 100 - rows))[rows < 90].mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("height", "width", "box"), [(90, 10, (38, 0, 51, 10)), (10, 90, (0, 38, 10, 51))])
def test_a_box_in_the_middle_if_none_fits(height, width, box):
    crop = RandomResizedCrop(least_area=0.99)
    draws = crop.draw(Stream(1, 2, crop.purpose), 3)
    assert [tuple(row) for row in crop.fitted(draws, height, width)["box"].tolist()] == [box] * 3
