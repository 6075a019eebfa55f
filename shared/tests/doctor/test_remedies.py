"""Remedies that are commands can be typed, wherever the checkout lies, and can succeed."""

import shlex
from pathlib import Path

import pytest
from checkouts import VERSIONS, checkout, problems

from doctor.data import files_of


@pytest.fixture
def spaced(tmp_path: Path) -> Path:
    folder = tmp_path / "my work"
    folder.mkdir()
    return folder


def test_paths_are_quoted(spaced, monkeypatch):
    """As a shell takes them."""
    monkeypatch.setenv("DIPTYCH_CACHE", str(spaced))
    ((path, _),) = files_of("cifar10")
    path.write_bytes(b"x")
    packages = VERSIONS | {"packages": {"numpy": "1.9"}}
    place = checkout(spaced, {"zoo": {"versions": packages}, "torch": {"step torch": "exit 3"}})
    environments = {kind: spaced / ".nox" / kind for kind in ("zoo", "torch")}
    python = environments["zoo"] / "bin" / "python"
    commands = {
        "zoo": [str(python), "-m", "pip", "install", "--constraint", str(place.constraints), "numpy==2.0"],
        "torch": ["rm", "-r", str(environments["torch"])],
        "cifar10": ["rm", str(path)],
    }
    found = problems(place)
    assert {subject: shlex.split(one.remedy.split(";")[0]) for subject, one in found.items()} == commands
    place.constraints.unlink()
    (spaced / ".git").mkdir()
    remedy = problems(place)["constraints.txt"].remedy
    assert shlex.split(remedy) == ["git", "checkout", str(place.constraints)]


def test_a_package_of_the_checkout_is_on_no_index(spaced):
    """pip would not find it, and nox installs it."""
    needs = VERSIONS | {"requires": {"diptych-torch-impl": ["diptych-onnx-impl"]}}
    (found,) = problems(checkout(spaced, {"torch": {"versions": needs}})).values()
    assert found.text == "diptych-onnx-impl is not installed, but diptych-torch-impl needs it"
    assert found.remedy == f"rm -r '{spaced / '.nox' / 'torch'}'; the next nox makes it again"
