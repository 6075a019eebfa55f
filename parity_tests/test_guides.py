"""The guides for additions, followed to the letter in a copy of the repository: it passes ruff, mypy and tests."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("shared", *(f"packages/{name}" for name in ("deploy", "onnx_impl", "torch_impl", "keras_impl", "parity")))


@dataclass(frozen=True)
class Guide:
    """A section of `document`. `program` then finds what was added, `tests` is for pytest and `compared` for parity."""

    document: str
    program: str
    tests: str
    compared: str = ""


GUIDES = {
    "Adding a network": Guide(
        "README.md",
        "import netspec; print(*map(netspec.architecture, ('vgg9_bn', 'plainnet6', 'plainnet9')))",
        "shared/tests packages/parity/tests -k 'vgg9_bn or plainnet or registry or few_steps or recipes or zoo'",
        "vgg9_bn plainnet*",
    ),
    "Adding an op": Guide(
        "README.md",
        "from netspec import functional as f, trace; trace('n', (3, 4, 4), f.negate)",
        "shared/tests/netspec parity_tests/test_mirror.py parity_tests/test_ops.py",
        "op.negate",
    ),
    "Add a transform of images": Guide(
        "CONTRIBUTING.md",
        "from trainspec.augment import Augmentation, VerticalFlip; Augmentation(vertical_flip=VerticalFlip())",
        "shared/tests/trainspec parity_tests/test_augment.py parity_tests/test_tricks.py "
        "-k 'augment or plan or recipes or reference or vertical_flip'",
    ),
    "Add a schedule": Guide(
        "CONTRIBUTING.md",
        "from trainspec.schedules import Exponential, learning_rate; learning_rate(Exponential(0.1), 1, 4, 2)",
        "shared/tests/trainspec parity_tests/test_tricks.py -k 'schedules or recipes or reference or exponential'",
    ),
    "Add an optimizer": Guide(
        "CONTRIBUTING.md",
        "from trainspec.recipes import Recipe, override; override(Recipe(), {'optimizer.kind': 'sgdw'})",
        "shared/tests/trainspec parity_tests/test_optimizers.py parity_tests/test_tricks.py "
        "-k 'optimizers or recipes or reference or sgdw'",
    ),
}


def blocks(title: str, language: str) -> list[str]:
    """The blocks of code in a section."""
    text = (ROOT / GUIDES[title].document).read_text()
    section = re.search(rf"^## {title}\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)
    return re.findall(rf"^```{language}\n(.*?)^```", section[1], re.DOTALL | re.MULTILINE)


def changes(title: str) -> list[tuple[str, str, str]]:
    """A file, a piece of its text and what it becomes, for each change that a section shows."""
    found = []
    for block in blocks(title, "diff"):
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


def follow(title: str, root: Path) -> None:
    """Make the changes of a section, then run its commands."""
    for path, before, after in changes(title):
        file = root / path
        if before:
            text = file.read_text()
            assert text.count(before) == 1, (
                f"{path} has {text.count(before)} times what '{title}' would change:\n{before}"
            )
            file.write_text(text.replace(before, after))
        else:  # a new file, or the end of one
            file.write_text((file.read_text() if file.exists() else "") + after)
    for block in blocks(title, "sh"):
        run(root, "bash", "-ec", block)


def run(root: Path, *argv: str) -> str:
    """A command that has this Python and the packages of the copy; what it printed. Fails where the command does."""
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(str(root / package) for package in PACKAGES),
    }
    done = subprocess.run(argv, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return done.stdout


def python(root: Path, *argv: str) -> str:
    return run(root, sys.executable, *argv)


@pytest.fixture(scope="module", params=GUIDES)
def followed(request, tmp_path_factory) -> tuple[Guide, Path]:
    root = tmp_path_factory.mktemp("guide") / "diptych"
    shutil.copytree(ROOT, root, symlinks=True, ignore=left_out)
    follow(request.param, root)
    return GUIDES[request.param], root


def test_the_guides_show_changes():
    assert {path for path, _, _ in changes("Adding an op")} >= {
        "shared/netspec/ops/__init__.py",
        *(f"packages/{builder}_impl/{builder}_impl/ops.py" for builder in ("torch", "keras", "onnx")),
    }
    assert len(changes("Adding a network")) == 4


def test_an_addition_costs_one_definition_and_its_handlers():
    """No file of the packages is changed but these. The update in NumPy is the handler of parity's judge."""
    handlers = {f"packages/{builder}_impl/{builder}_impl" for builder in ("torch", "keras")}
    allowed = {
        "Add a schedule": {"shared/trainspec/schedules.py"},
        "Add an optimizer": {
            "shared/trainspec/optimizers.py",
            *(f"{folder}/optim.py" for folder in handlers),
            "packages/parity/parity/numpy_update.py",
        },
        "Add a transform of images": {
            "shared/trainspec/augment/__init__.py",
            "shared/trainspec/augment/vertical_flip.py",
            *(f"{folder}/augment.py" for folder in handlers),
        },
    }
    for title, files in allowed.items():
        assert {path for path, _, _ in changes(title) if "tests/" not in path} == files


def test_ruff_has_no_complaint(followed):
    pytest.importorskip("ruff")
    python(followed[1], "-m", "ruff", "check", "--no-cache", ".")
    python(followed[1], "-m", "ruff", "format", "--no-cache", "--check", ".")


def test_what_was_added_is_there(followed):
    guide, root = followed
    python(root, "-c", guide.program)


@pytest.mark.long
def test_mypy_has_no_complaint(followed):
    python(followed[1], "-m", "mypy")


@pytest.mark.long
def test_the_tests_and_the_comparison_pass(followed):
    guide, root = followed
    assert " passed" in run(root, "bash", "-ec", f"python -m pytest -n 0 -p no:cacheprovider {guide.tests}")
    if guide.compared:
        assert ", 0 failed" in python(root, "-m", "parity", *guide.compared.split())
