"""The frameworks by their names."""

import runpy

import pytest

from parity import frameworks


@pytest.mark.parametrize(("value", "package"), [("", "tensorflow"), ("jax", "jax")])
def test_an_empty_backend_is_none(value, package, monkeypatch):
    """As Keras takes it."""
    monkeypatch.setenv("KERAS_BACKEND", value)
    assert package in runpy.run_path(frameworks.__file__)["PACKAGES"]["keras"]
