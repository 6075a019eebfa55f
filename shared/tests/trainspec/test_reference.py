from pathlib import Path

import trainspec.recipes
from trainspec.augment import VOCABULARY
from trainspec.recipes.reference import reference

KEYS = Path(trainspec.recipes.__file__).parent / "KEYS.md"


def test_the_reference_is_current():
    assert KEYS.read_text() == reference(), f"python -m trainspec keys > {KEYS.name}"


def test_every_transform_is_in_it():
    assert all(f"## `[augmentation.{kind}]`" in reference() for kind in VOCABULARY)
