"""Remedies that are commands can be typed, wherever the checkout lies, and can succeed."""

import json
import shlex
import subprocess
import sys
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


FAILED = {  # what a probe says -> the remedy; None: the environment is made again
    "crashed with SIGKILL": "give the container more memory",
    "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory": "give the container more memory",
    "did not end within 180 seconds": "end other programs that use this machine, and try again",
    "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB": "what nvidia-smi says",
    "RuntimeError: The NVIDIA driver on your system is too old": "what nvidia-smi says",
    "DiptychError: KERAS_BACKEND is 'torch', but Diptych needs tensorflow or jax: set KERAS_BACKEND=tensorflow": (
        "set KERAS_BACKEND=tensorflow, or mend keras.json"
    ),
    "DiptychError: Keras's configuration /keras.json is not a JSON object: correct it or delete it": "mend keras.json",
    "OSError: [Errno 28] No space left on device": "set TMPDIR to another folder",
    "DiptychError: 'backend' in /a/keras.json is 'tensorflow', which is not installed: install it or set "
    "KERAS_BACKEND=tensorflow": None,
    "failed: ImportError: libcudart.so.12": None,
    "crashed with SIGSEGV": None,
}


@pytest.mark.parametrize("said", FAILED)
def test_a_new_environment_is_the_remedy_only_where_it_helps(said, tmp_path):
    """For what is done in an environment, and for what is asked of it."""
    fails = {"problem": said}
    place = checkout(tmp_path, {"deploy": {"runtime": fails}, "zoo": {"versions": fails}})
    found = problems(place)
    for subject, kind in (("onnxruntime in deploy", "deploy"), ("zoo", "zoo")):
        again = f"rm -r {place.environments / kind}; the next nox makes it again"
        assert (FAILED[said] or again) in found[subject].remedy
        assert (found[subject].remedy == again) == (FAILED[said] is None)


LACKING = """\
import sys
sys.prefix, sys.modules[sys.argv[1]] = sys.argv[2], None  # as if the package were missing there
from doctor.__main__ import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.parametrize("name", ["numpy", "rich", "PIL"])
def test_the_doctor_lacks_a_package_itself(tmp_path, name):
    """Its environment is one of those that it looks at, and is made again."""
    place = checkout(tmp_path, {"zoo": {}})
    zoo = place.environments / "zoo"

    def said(prefix: Path, *options: str) -> str:
        command = [sys.executable, "-c", LACKING, name, prefix, "--environments", place.environments, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (1, "")
        return done.stdout

    problem, remedy = said(zoo).splitlines()
    assert problem.startswith(f"problem    zoo: {name} cannot be imported (")
    assert remedy == f"remedy     rm -r {zoo}; the next nox makes it again"
    (found,) = json.loads(said(zoo, "--json"))["sections"]["environments"]
    assert (found["subject"], found["problem"]) == ("zoo", True)
    assert f"remedy     install {name} for {sys.executable}" in said(tmp_path, "--clean")
