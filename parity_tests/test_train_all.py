"""`train_all` by its commands, in real processes: stopped, killed and gone on with."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from netspec.compare import limits
from parity.train_all.rows import ledger, newest

NAMES = ["lenet5", "lenet5_wide", "resnet20", "resnet32", "resnet44", "resnet56"]  # in the order of the zoo


def start(folder: Path, framework: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "parity.train_all", framework, *arguments, "--out", str(folder)],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("end", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_stopped_run_goes_on(tmp_path, end):
    process = start(tmp_path, "torch", *NAMES)
    assert process.stdout
    assert process.stdout.readline().startswith(NAMES[0])
    process.send_signal(end)
    said = process.communicate()[0]
    done = newest(ledger(tmp_path))
    assert process.returncode == (130 if end == signal.SIGINT else -end)
    assert 1 <= len(done) < len(NAMES), "stopped too late to prove anything"
    assert ("the same command goes on from there" in said) == (end == signal.SIGINT)
    assert "Traceback" not in said

    process = start(tmp_path, "torch", *NAMES)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert [line.split()[0] for line in said.splitlines()[:-1]] == NAMES[len(done) :]
    rows = newest(ledger(tmp_path))
    assert {name for name, _ in rows} == set(NAMES)
    assert all(rows[key] == row for key, row in done.items())


def test_both_frameworks_in_one_table(tmp_path):
    for framework in ("torch", "keras"):
        process = start(tmp_path, framework, "lenet5", "lenet5_wide")
        said = process.communicate()[0]
        assert process.returncode == 0, said
    rows = newest(ledger(tmp_path))
    assert len(rows) == 4
    torch, keras = (rows["lenet5", framework].losses[0] for framework in ("torch", "keras"))
    assert abs(torch - keras) < limits().float32_forward, "not the same weights and images"
    lines = (tmp_path / "train_all.md").read_text().splitlines()
    assert [line.count("→") for line in lines if line.startswith("| lenet5")] == [2, 2]


def test_original_recipes_in_both_frameworks(tmp_path):
    for framework in ("torch", "keras"):
        process = start(tmp_path, framework, "lenet5", "lenet5+dp+da", "--recipe", "original")
        said = process.communicate()[0]
        assert process.returncode == 0, said
    text = (tmp_path / "train_all_original.md").read_text()
    assert "the same weights and plans in all frameworks: 2 of 2" in text
