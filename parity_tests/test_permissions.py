"""Folders that this user may not look into: one line from every command, in real processes."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from short_run import short_run

# Root without the rights to read and write everything.
PLAIN = [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
COMMANDS = {  # module -> arguments that name a path in the closed folder
    "netspec": ["--show", "closed/graph.json"],
    "trainspec agreement": ["agreement", "closed/a", "closed/b"],
    "trainspec results": ["results", "closed/runs"],
    "trainspec split": ["split", "closed/images"],
    "torch_impl train": ["train", "closed/graph.json"],
    "torch_impl data": ["train", "lenet5", "--data", "closed/images"],
    "torch_impl weights": ["train", "lenet5", "--data", "digits", "--weights", "closed/w.safetensors"],
    "torch_impl resume": ["train", "--resume", "closed/run"],
    "torch_impl evaluate": ["evaluate", "closed/run"],
    "torch_impl export": ["export", "closed/run"],
    "onnx_impl evaluate": ["evaluate", "closed/model.onnx"],
    "onnx_impl export": ["export", "closed/graph.json"],
    "onnx_impl package": ["package", "closed/run"],
    "onnx_impl quantize": ["quantize", "closed/run"],
    "parity": ["closed/run"],
    "parity compare": ["compare", "--runs", "closed/a", "closed/b"],
    "parity all": ["compare", "--all", "closed"],
    "parity diff": ["diff", "closed/a.onnx", "lenet5"],
    "parity forms": ["forms", "closed/run"],
    "deploy predict": ["predict", "closed/model.onnx", "closed/image.png"],
    "deploy evaluate": ["evaluate", "closed/model.onnx", "closed/images"],
    "deploy benchmark": ["benchmark", "closed/model.onnx"],
    "deploy verify": ["verify", "closed/package"],
}


def run_plainly(folder, command):
    """A command in a process without root's rights."""
    if PLAIN and shutil.which(PLAIN[0]) is None:
        pytest.skip("root reads everything, and setpriv is not installed")
    return subprocess.run(
        [*PLAIN, sys.executable, "-m", *command],
        cwd=folder,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    (folder / "closed").mkdir(mode=0o000)
    yield folder
    (folder / "closed").chmod(0o700)


READ_ONLY = {  # what writes beside a run where no other place is given
    "torch_impl evaluate": ["evaluate", "run"],
    "torch_impl export": ["export", "run"],
    "onnx_impl evaluate": ["evaluate", "run"],
    "onnx_impl export": ["export", "run"],
    "onnx_impl package": ["package", "run"],
    "onnx_impl quantize": ["quantize", "run", "--to", "float16"],
    "parity": ["run"],
}


@pytest.fixture(scope="module")
def read_only(tmp_path_factory):
    folder = tmp_path_factory.mktemp("read_only")
    short_run(folder).rename(folder / "run")
    shutil.rmtree(folder / "run" / "proof")
    (folder / "run").chmod(0o500)
    yield folder
    (folder / "run").chmod(0o700)


@pytest.mark.parametrize("command", READ_ONLY)
def test_a_run_that_is_read_only_is_refused_before_the_work(read_only, command):
    done = run_plainly(read_only, [command.split()[0], *READ_ONLY[command]])
    assert done.returncode == 2, done.stderr[-2000:]
    (line,) = done.stderr.splitlines()
    assert re.search(r"error: run/?\S* cannot be written: Permission denied; ", line), line
    assert done.stdout == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_closed_folder_is_one_line(folder, command):
    done = run_plainly(folder, [command.split()[0], *COMMANDS[command]])
    assert done.returncode == 2, done.stderr[-2000:]
    (line,) = done.stderr.splitlines()
    assert re.search("error: .*closed", line), line
    assert re.search("[Pp]ermission denied|not be read", line), line
