"""What the probes report of GPUs and onnxruntime, and the small model against the package onnx."""

import ctypes
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from checkouts import script

import doctor
from doctor import child
from doctor.gpu import check
from doctor.probes.libraries import loaded, of_cuda, of_cudnn
from doctor.probes.runtime import MODEL
from doctor.probes.versions import versions

MAPS = """\
7f00-7f01 r-xp 00000000 08:01 1 /lib/nvidia/libcudart.so.12
7f01-7f02 r-xp 00000000 08:01 1 /lib/nvidia/libcudart.so.12
7f02-7f03 r-xp 00000000 08:01 2 /lib/nvidia/cudnn/libcudnn.so.9
7f03-7f04 r-xp 00000000 08:01 3 /lib/nvidia/cudnn/libcudnn_ops.so.9
7f04-7f05 r-xp 00000000 08:01 4 /usr/lib/libcuda.so.550.54
7f05-7f06 rw-p 00000000 00:00 0 [heap]
"""


class Library:
    """A GPU library that says its version in its own way."""

    def __init__(self, path: str) -> None:
        self.path = path

    def cudaRuntimeGetVersion(self, number) -> int:  # noqa: N802  # NVIDIA's name
        ctypes.cast(number, ctypes.POINTER(ctypes.c_int))[0] = 12040
        return 0

    def cuDriverGetVersion(self, number) -> int:  # noqa: N802
        return 999

    @property
    def cudnnGetVersion(self):  # noqa: N802
        return type("Call", (), {"__call__": lambda self: 90100})()


def test_the_libraries_that_a_process_has_loaded(tmp_path):
    (tmp_path / "maps").write_text(MAPS)
    found = loaded(tmp_path / "maps", Library)
    assert found == {"driver for CUDA": "libcuda.so.550.54", "CUDA": "12.4", "cuDNN": "9.1.0"}
    assert loaded(tmp_path / "none") == {}
    assert loaded(tmp_path / "maps", lambda path: object())["CUDA"] == "libcudart.so.12"


def test_this_process_has_none():
    assert loaded() == {}


def test_a_package_without_a_version(tmp_path, monkeypatch):
    info = tmp_path / "half-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: half\n")
    monkeypatch.syspath_prepend(tmp_path)
    packages = versions()["packages"]
    assert packages["half"] is None
    assert packages["numpy"] == np.__version__


def test_what_lies_beside_the_doctor_is_in_no_other_environment(tmp_path, monkeypatch):
    """Where pip has installed the doctor, its own packages are there; an environment may not even have the doctor."""
    site = tmp_path / "site-packages"
    shutil.copytree(Path(doctor.__file__).parent, site / "doctor")
    (site / "other-1.0.dist-info").mkdir()
    (site / "other-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    script(tmp_path / "environment", f'exec {shlex.quote(sys.executable)} -I -S "$@"')
    monkeypatch.setattr(child, "START", site / "doctor" / "probes" / "start.py")
    answer = child.ask(tmp_path / "environment" / "bin" / "python", "versions", seconds=20)
    assert (answer.problem, answer.facts["packages"]) == ("", {})


def test_numbers_of_versions():
    assert [of_cuda(number) for number in (11080, 12040, 13000)] == ["11.8", "12.4", "13.0"]
    assert [of_cudnn(number) for number in (8902, 90100, 91002)] == ["8.9.2", "9.1.0", "9.10.2"]


def test_the_small_model_is_relu():
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(MODEL)
    onnx.checker.check_model(model, full_check=True)
    values = np.array([[-1.0, 2.0], [3.0, -4.0]], np.float32)
    from onnx.reference import ReferenceEvaluator

    np.testing.assert_array_equal(ReferenceEvaluator(model).run(None, {"x": values})[0], np.maximum(values, 0))


SMI = {  # what nvidia-smi does -> the findings
    "echo 'NVIDIA H100, 550.54, 81559 MiB, 81000 MiB'": [
        ("GPU 0", "NVIDIA H100, driver 550.54, 81000 MiB of 81559 MiB free", False)
    ],
    "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18": [
        ("GPU", "nvidia-smi fails: Failed to initialize NVML: Driver/library version mismatch", True)
    ],
    "exit 0": [("GPU", "nvidia-smi fails: status 0", True)],
}


@pytest.mark.parametrize("action", SMI)
def test_nvidia_smi(action, tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{action}\n")
    tool.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(tool))
    monkeypatch.setattr("doctor.gpu.has_gpu", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [(one.subject, one.text, one.is_problem) for one in check(None)] == SMI[action]


def test_a_gpu_without_its_tool(monkeypatch):
    monkeypatch.setattr("doctor.gpu.has_gpu", lambda: True)
    (found,) = check(None)
    assert found.is_problem
    assert "builds for the CPU" in found.text


HIDDEN = {  # CUDA_VISIBLE_DEVICES -> what is said of a GPU that frameworks do not see
    "-1": ("CUDA_VISIBLE_DEVICES hides it", ""),
    "0": ("there is no /dev/nvidia*", "start the container with --gpus all"),
    None: ("there is no /dev/nvidia*", "start the container with --gpus all"),
}


@pytest.mark.parametrize("visible", HIDDEN)
def test_a_gpu_that_is_hidden(visible, tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100, 550.54, 81559 MiB, 81000 MiB'\n")
    tool.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(tool))
    *_, last = check(None)
    text, remedy = HIDDEN[visible]
    assert text in last.text
    assert last.remedy == remedy
