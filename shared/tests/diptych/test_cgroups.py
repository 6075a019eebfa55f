"""The limits of containers, read from files as the kernel writes them."""

import math
from pathlib import Path

import pytest

from deploy import cgroups
from diptych import machine

GIB = 2**30
V2 = {
    "proc/self/cgroup": "0::/job/step\n",
    "sys/fs/cgroup/job/memory.max": f"{6 * GIB}\n",
    "sys/fs/cgroup/job/memory.current": f"{3 * GIB}\n",
    "sys/fs/cgroup/job/memory.stat": f"anon 5\ninactive_file {GIB}\n",
    "sys/fs/cgroup/job/cpu.max": "150000 100000\n",
    "sys/fs/cgroup/job/step/memory.max": "max\n",
    "sys/fs/cgroup/job/step/memory.current": f"{GIB}\n",
    "sys/fs/cgroup/job/step/cpu.max": "max 100000\n",
}
V1 = {  # in a container: the group's path is the host's, and its limits are those of the mounted folder
    "proc/self/cgroup": "4:memory:/docker/1234\n2:cpu,cpuacct:/docker/1234\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{6 * GIB}\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{3 * GIB}\n",
    "sys/fs/cgroup/memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {GIB}\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
}
HALF = V1 | {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": ""}  # not readable
NONE = {
    "proc/self/cgroup": "4:memory:/\n2:cpu:/\n0::/\n",
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
}


@pytest.mark.parametrize(
    ("files", "memory", "cores"),
    [(V2, 4.0, 1.5), (V1, 4.0, 1.5), (HALF, 4.0, math.inf), (NONE, math.inf, math.inf), ({}, math.inf, math.inf)],
    ids=["version 2", "version 1", "half readable", "unlimited", "no control groups"],
)
def test_limits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], memory: float, cores: float
) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    assert cgroups.free_memory() / GIB == memory
    assert cgroups.cores() == cores
    assert machine.cores() < cores + 1
    assert machine.free_bytes() / GIB <= memory
