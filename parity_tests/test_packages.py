"""The packages as others get them: complete wheels, that work away from the repository, as the README installs them."""

import os
import re
import subprocess
import sys
import tomllib
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

import deploy

ROOT = Path(__file__).parents[1]
PACKAGES = {  # folder -> what can be imported of it
    "packages/deploy": ["deploy"],
    "shared": ["diptych", "netspec", "trainspec", "doctor"],
    "packages/onnx_impl": ["onnx_impl"],
    "packages/torch_impl": ["torch_impl"],
    "packages/keras_impl": ["keras_impl"],
    "packages/parity": ["parity"],
}
README = (ROOT / "README.md").read_text()
SECTION = re.search(r"^## Install without nox\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)[1]
COMMANDS = [
    line.strip() for block in re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL) for line in block.strip().splitlines()
]


def project(folder: str) -> dict:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]


def test_every_package_is_named():
    found = {str(path.parent.relative_to(ROOT)) for path in ROOT.glob("packages/*/pyproject.toml")} | {"shared"}
    assert found == PACKAGES.keys()


@pytest.mark.parametrize("folder", PACKAGES)
def test_what_a_package_declares(folder):
    declared = project(folder)
    assert declared["requires-python"] == ">=3.11,<3.14"
    assert "version" not in declared
    assert declared["dynamic"] == ["version"]
    assert (ROOT / folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    for package in PACKAGES[folder]:
        assert (ROOT / folder / package / "py.typed").is_file()


def test_the_readme_installs_a_package_with_all_that_it_needs():
    """No name of ours is looked for in the registry, where it is not."""
    names = {project(folder)["name"]: folder for folder in PACKAGES}
    installed = [re.findall(r"\./((?:packages/)?\w+)", line) for line in COMMANDS if line.startswith("pip install -c")]
    assert len(installed) == 2
    for folders in installed:
        for folder in folders:
            needed = {names[name] for name in project(folder)["dependencies"] if name in names}
            assert needed <= set(folders), f"{folder} needs {needed - set(folders)}"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    before = git("status", "--porcelain", "--ignored")
    paths = [str(ROOT / package) for package in PACKAGES]
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), *paths)
    assert git("status", "--porcelain", "--ignored") == before
    return folder


def git(*argv: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *argv], capture_output=True, text=True, check=False).stdout


def pip(*argv: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_wheels_are_complete(wheels):
    built = list(wheels.glob("*.whl"))
    assert len(built) == len(PACKAGES)
    tracked = git("ls-files").splitlines()
    for wheel in built:
        with ZipFile(wheel) as archive:
            names = archive.namelist()
            (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
            fields = Parser().parsestr(archive.read(metadata).decode())
            license_ = archive.read(metadata.replace("METADATA", "licenses/LICENSE")).decode()
        assert license_ == (ROOT / "LICENSE").read_text()
        assert fields["Version"] == deploy.__version__
        assert fields["Requires-Python"] == "<3.14,>=3.11"
        (folder,) = (folder for folder in PACKAGES if project(folder)["name"] == fields["Name"])
        files = {path.removeprefix(f"{folder}/") for path in tracked if path.startswith(f"{folder}/")}
        ours = {path for path in files if path.partition("/")[0] in PACKAGES[folder]}
        assert {f"{package}/py.typed" for package in PACKAGES[folder]} <= ours
        assert {name for name in names if ".dist-info" not in name} == ours


WORK = """
import json, sys
from pathlib import Path
import deploy, diptych, keras_impl, netspec, onnx_impl, parity, torch_impl, trainspec
for package in (deploy, diptych, keras_impl, netspec, onnx_impl, parity, torch_impl, trainspec):
    assert Path(package.__file__).is_relative_to(sys.argv[1]), package.__file__
from netspec.compare import limits
from parity.goldens import goldens
from trainspec.data import digits
from trainspec.recipes import find_recipe
assert limits().float64 > 0
assert len(goldens()) > 100
assert find_recipe("vgg19", "vgg", "modern").epochs
assert len(onnx_impl.build("lenet5").graph.node) > 5
"""


@pytest.mark.long
def test_wheels_work_away_from_the_repository(wheels, tmp_path):
    site = tmp_path / "site"
    pip("install", "--no-deps", "--no-index", "--quiet", "--target", str(site), *map(str, wheels.glob("*.whl")))
    assert not [path for path in site.rglob("*") if path.is_symlink()]
    environment = os.environ | {"PYTHONPATH": str(site)}

    def run(*argv: str) -> str:
        done = subprocess.run(
            [sys.executable, *argv], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("-c", WORK, str(site))
    assert "1 network." in run("-m", "netspec", "resnet20")
    run("-m", "torch_impl", "train", "lenet5", "--data", "digits", "--epochs", "1", "--out", "runs")
    assert list(tmp_path.glob("runs/*/model.onnx"))


@pytest.mark.long
@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("pip install -c")])
def test_the_commands_of_the_readme_resolve(command, tmp_path):
    """As pip would install into an empty environment; nothing is downloaded but metadata."""
    argv = command.replace("'", "").split()[1:]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *argv, "--dry-run", "--quiet", "--ignore-installed", "--report", "-"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "diptych-onnx" in done.stdout
