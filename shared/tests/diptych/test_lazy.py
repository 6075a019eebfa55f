"""Every package of ours says what it has and of which version it is, without loading a framework."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

import deploy

PACKAGES = ("netspec", "trainspec", "deploy", "torch_impl", "keras_impl", "onnx_impl", "parity")
LAZY = ("deploy", "netspec", "torch_impl", "keras_impl", "onnx_impl")
HEAVY = {"torch", "keras", "tensorflow", "onnx", "onnxruntime"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_version(package):
    if find_spec(package) is None:
        pytest.skip("not in this environment")
    assert import_module(package).__version__ == deploy.__version__


@pytest.mark.parametrize("package", LAZY)
def test_dir_shows_the_public_names(package):
    if find_spec(package) is None:
        pytest.skip("not in this environment")
    code = f"import sys, {package}; print(dir({package}), {HEAVY} & sys.modules.keys())"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    module = import_module(package)
    assert printed.strip().endswith("set()")
    for name in (*module.__all__, "__version__", "__doc__"):
        assert repr(name) in printed
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        module.nothing  # noqa: B018
