"""The README's guides, followed to the letter in a copy of the repository: the result passes ruff, mypy and tests."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("shared", *(f"packages/{name}" for name in ("deploy", "onnx_impl", "torch_impl", "keras_impl", "parity")))
GUIDES = ("Adding a network", "Adding an op")


def changes(guide: str) -> list[tuple[str, str, str]]:
    """A file, a piece of its text and what it becomes, for each change that a section of the README shows."""
    section = re.search(rf"^## {guide}\n(.*?)^## ", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    found = []
    for block in re.findall(r"^```diff\n(.*?)^```", section[1], re.DOTALL | re.MULTILINE):
        for part in block.removeprefix("+++ ").split("\n+++ "):
            path, _, hunks = part.partition("\n")
            for hunk in hunks.removesuffix("\n").split("\n@@\n"):
                lines = hunk.split("\n")
                before, after = (
                    "".join(f"{line[1:]}\n" for line in lines if line[:1] != left_out) for left_out in "+-"
                )
                found.append((path, before, after))
    return found


def left_out(folder: str, names: list[str]) -> set[str]:
    """What git does not track."""
    made = {"runs", "exports"} if Path(folder) == ROOT else set()
    return {name for name in names if name == "__pycache__" or name in made or name.startswith(".")}


def follow(guide: str, root: Path) -> None:
    for path, before, after in changes(guide):
        file = root / path
        if before:
            text = file.read_text()
            assert text.count(before) == 1, (
                f"{path} has {text.count(before)} times what '{guide}' would change:\n{before}"
            )
            file.write_text(text.replace(before, after))
        else:  # a new file, or the end of one
            file.write_text((file.read_text() if file.exists() else "") + after)


def python(root: Path, *argv: str) -> str:
    """Python with the packages of the copy; what it printed. Fails where the command does."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(root / package) for package in PACKAGES)}
    done = subprocess.run(
        [sys.executable, *argv], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module", params=GUIDES)
def followed(request, tmp_path_factory) -> tuple[str, Path]:
    root = tmp_path_factory.mktemp("guide") / "diptych"
    shutil.copytree(ROOT, root, symlinks=True, ignore=left_out)
    follow(request.param, root)
    return request.param, root


def test_the_guides_show_changes():
    assert {path for path, _, _ in changes("Adding an op")} >= {
        "shared/netspec/ops/__init__.py",
        *(f"packages/{builder}_impl/{builder}_impl/ops.py" for builder in ("torch", "keras", "onnx")),
    }
    assert len(changes("Adding a network")) == 4


def test_ruff_has_no_complaint(followed):
    pytest.importorskip("ruff")
    python(followed[1], "-m", "ruff", "check", "--no-cache", ".")
    python(followed[1], "-m", "ruff", "format", "--no-cache", "--check", ".")


def test_the_zoo_has_what_was_added(followed):
    guide, root = followed
    if guide == "Adding a network":
        shown = python(root, "-m", "netspec", "vgg9*", "plainnet*")
        assert "3 networks" in shown
        assert all(name in shown for name in ("vgg9_bn", "plainnet6", "plainnet9"))
    else:
        program = "from netspec import functional as f, trace; print(trace('n', (3, 4, 4), f.negate).num_total)"
        assert python(root, "-c", program).strip() == "0"


@pytest.mark.long
def test_mypy_has_no_complaint(followed):
    python(followed[1], "-m", "mypy")


TESTS = {
    "Adding a network": [
        "shared/tests",
        "packages/parity/tests",
        "-k",
        "vgg9_bn or plainnet or registry or few_steps or recipes or zoo",
    ],
    "Adding an op": ["shared/tests/netspec", "parity_tests/test_mirror.py", "parity_tests/test_ops.py"],
}
COMPARED = {"Adding a network": ["vgg9_bn", "plainnet*"], "Adding an op": ["op.negate"]}


@pytest.mark.long
def test_the_tests_and_the_comparison_pass(followed):
    guide, root = followed
    assert " passed" in python(root, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *TESTS[guide])
    assert ", 0 failed" in python(root, "-m", "parity", *COMPARED[guide])
