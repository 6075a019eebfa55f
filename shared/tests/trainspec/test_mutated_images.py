"""Randomly damaged image files are read or refused by the reader's own error, and nothing else comes out."""

import numpy as np
import pytest
from measured import measured
from mutations import mutated

from deploy.errors import ImageError
from deploy.images import read_image

QUICK, MANY = 600, 250_000


def read_mutated(files) -> tuple[int, int]:
    """How many were read and how many refused; anything else is an error of the reader."""
    read = refused = 0
    for name, content in files:
        try:
            image = read_image(content, 8, name)
        except ImageError as error:
            said = str(error)
            refused += 1
        else:
            assert image.shape == (8, 8, 3), name
            assert image.dtype == np.uint8, name
            said = name
            read += 1
        assert said.startswith(name)
        assert "\n" not in said
    return read, refused


def test_mutated_images():
    read, refused = read_mutated(mutated(QUICK, seed=0))
    assert read > QUICK // 10
    assert refused > QUICK // 10


@pytest.mark.long
def test_250000_mutated_images_in_one_run():
    program = f"""
from mutations import mutated
from test_mutated_images import read_mutated
# measured
print(*read_mutated(mutated({MANY}, seed=1)))
"""
    counts, grown = measured(program, seconds=3600)
    read, refused = map(int, counts.split())
    print(f"{read} read, {refused} refused, {grown} MiB")
    assert read + refused == MANY
    assert min(read, refused) > MANY // 10
    assert grown < 1000
