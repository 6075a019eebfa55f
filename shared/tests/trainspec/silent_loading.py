"""Image sets that are read without a notice, and errors that are one line."""

from pathlib import Path

import pytest

from diptych.errors import DataError
from trainspec.data import open_data


def silent(text: str) -> None:
    raise AssertionError(f"nothing was to be noticed: {text}")


def load(path: Path, size: int = 8):
    return open_data(str(path), size, notice=silent)


def assert_one_line(error: pytest.ExceptionInfo[DataError], *words: str) -> None:
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)
