"""Counts of every architecture against those that other people's code gave."""

import json
from pathlib import Path

import pytest

from netspec import architecture, list_architectures

ROWS = {
    row["name"]: row
    for row in json.loads((Path(__file__).parents[3] / "packages" / "parity" / "parity" / "counts.json").read_text())
}


@pytest.mark.parametrize("name", [name for name in list_architectures() if name in ROWS])
def test_counts(name):
    row = ROWS[name]
    channels, *size = row["input"]
    graph = architecture(name, num_classes=row["classes"], in_channels=channels, image_size=tuple(size))
    found = {"trainable": graph.num_trainable, "total": graph.num_total, "macs": graph.macs}
    held = {key: row[key] for key in found if row.get(key) is not None}
    assert held, "the row holds no count"
    assert {key: found[key] for key in held} == held
    assert row["counted_by"]


def test_rows_are_of_architectures():
    assert len(ROWS.keys() & set(list_architectures())) >= 14


def figures(name: str) -> tuple[int, int, int]:
    graph = architecture(name)
    return graph.num_trainable, graph.num_total, graph.macs


def test_resnet44_lies_between_its_neighbours():
    """Nobody's code counted it: each step of 12 layers adds the same three pairs of blocks."""
    middle = [(a + b) / 2 for a, b in zip(figures("resnet32"), figures("resnet56"), strict=True)]
    assert list(figures("resnet44")) == middle


@pytest.mark.parametrize("suffix", ["", "_bn"])
def test_vgg13_is_vgg11_and_two_convolutions(suffix):
    weights = (64 * 64 + 128 * 128) * 9 + (64 + 128) * (3 if suffix else 1)
    more = weights, weights + (2 * (64 + 128) if suffix else 0), 64 * 64 * 9 * 224**2 + 128 * 128 * 9 * 112**2
    found = zip(figures(f"vgg13{suffix}"), figures(f"vgg11{suffix}"), strict=True)
    assert tuple(a - b for a, b in found) == more
