"""The doctor's tests see neither this machine's cache nor its limits, but those that they set up."""

from pathlib import Path

import pytest

from deploy import cgroups
from doctor import gpu, machine


@pytest.fixture(autouse=True)
def sound(monkeypatch, tmp_path) -> Path:
    """A machine with which nothing is wrong: four cores, room and memory, an empty cache, no GPU. Returns its root."""
    root = tmp_path / "machine"
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "self" / "cgroup").write_text("0::/job\n")
    (root / "sys" / "fs" / "cgroup" / "job").mkdir(parents=True)
    monkeypatch.setattr(cgroups, "ROOT", root)
    monkeypatch.setattr("os.sched_getaffinity", lambda number: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(machine, "free_bytes", lambda: 8 << 30)
    monkeypatch.setattr(machine, "ROOM", 1)
    monkeypatch.setattr(gpu, "has_gpu", lambda: False)
    monkeypatch.setattr("doctor.work.has_gpu", lambda: False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    for name in machine.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return root
