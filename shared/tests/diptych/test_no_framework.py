"""The shared packages import no framework, and the zoo's command neither: each in a fresh process."""

import json
import subprocess
import sys

import pytest

FRAMEWORKS = ("torch", "tensorflow", "keras", "jax", "onnx", "onnxruntime", "tf2onnx", "onnxscript")

REPORT = f"print('\\n' + json.dumps(sorted(set({FRAMEWORKS}) & sys.modules.keys())))"

WALK = """
import importlib, json, pkgutil, sys
package = importlib.import_module({package!r})
names = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
assert len(modules) >= {least}, modules
"""

COMMAND = """
import json, runpy, sys
sys.argv = ["netspec", *{argv!r}]
try:
    runpy.run_module("netspec", run_name="__main__")
except SystemExit as exit:
    assert not exit.code, exit.code
"""


def frameworks_after(code: str) -> tuple[list[str], str]:
    """Frameworks that a fresh process has loaded after running `code`, and what it printed before."""
    done = subprocess.run([sys.executable, "-c", code + REPORT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *printed, last = done.stdout.splitlines()
    return json.loads(last), "\n".join(printed)


@pytest.mark.parametrize("package", ["diptych", "netspec", "trainspec", "doctor"])
def test_importing_every_module(package):
    loaded, _ = frameworks_after(WALK.format(package=package, least=1))
    assert loaded == []


def test_the_check_sees_every_module():
    code = WALK.format(package="netspec", least=20)
    assert frameworks_after(code)[0] == []


def test_the_check_sees_a_framework():
    loaded, _ = frameworks_after("import json, sys, types\nsys.modules['torch'] = types.ModuleType('torch')\n")
    assert loaded == ["torch"]


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["vgg*"], "vgg19_bn"),
        (["--show", "resnet20"], "stage3.block2.conv2"),
        (["--json", "lenet5"], '"macs": 651720'),
        (["--diagram", "resnet20"], "resnet20.svg"),
    ],
)
def test_the_zoo(argv, shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for the picture
    loaded, printed = frameworks_after(COMMAND.format(argv=argv))
    assert loaded == []
    assert shown in printed
