"""What the tests need of a machine: how many processes begin, and how large one grows."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from diptych import machine

ROOT = Path(__file__).parents[1]
LARGEST = ("senet154", "vgg19_bn", "resnext29_16x64d", "efficientnet_b7", "alexnet_grouped")  # of one process's peaks
PROGRAM = """
import sys, pytest
status = pytest.main(sys.argv[1:])
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")][0])
sys.exit(status)
"""


@pytest.mark.parametrize(("free", "cores", "processes"), [(24.0, 2, 2), (24.0, 64, 10), (4.0, 8, 1), (1.0, 8, 1)])
def test_as_many_processes_as_the_memory_allows(monkeypatch, free, cores, processes):
    spec = importlib.util.spec_from_file_location("root_conftest", ROOT / "conftest.py")
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    monkeypatch.setattr(machine, "free_bytes", lambda: int(free * 2**30))
    monkeypatch.setattr(machine, "cores", lambda: cores)
    assert conftest.pytest_xdist_auto_num_workers() == processes


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say how large a process was")
def test_a_process_that_tests_stays_below_2_5_gigabytes():
    names = [f"parity_tests/test_networks.py::test_parity[{name}]" for name in LARGEST]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "-n", "0", "-m", "", "-p", "no:cacheprovider", *names],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(LARGEST)} passed" in done.stdout
    assert int(done.stdout.split()[-1]) * 1024 < 2.5e9
