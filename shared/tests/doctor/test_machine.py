"""The cores and the memory that the machine, a container or a batch job allows."""

import json

import pytest
from checkouts import checkout, problems

from doctor import machine
from doctor.__main__ import report


def test_a_limit_of_one_core(tmp_path, sound):
    (sound / "sys" / "fs" / "cgroup" / "job" / "cpu.max").write_text("100000 100000\n")
    (found,) = problems(checkout(tmp_path, {})).values()
    assert (found.subject, found.text) == ("cores", "1 of 4 may be used; its control group allows 1")
    assert found.remedy == "give it more: docker run --cpus=4, sbatch --cpus-per-task=4, or taskset -c 0-3"


def test_one_core_by_affinity_and_by_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda number: {2})
    (found,) = problems(checkout(tmp_path, {})).values()
    assert found.text == "1 of 4 may be used; its affinity allows 1"
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    (found,) = problems(checkout(tmp_path, {})).values()
    assert (found.text, found.remedy) == ("1 of 1 may be used", "train on a machine with more cores")


def test_one_core_as_json(tmp_path, monkeypatch, capsys):
    """A group without a limit is no number in JSON."""
    monkeypatch.setattr("os.sched_getaffinity", lambda number: {2})
    assert report(checkout(tmp_path, {}), as_json=True) == 1
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    (cores,) = [one for one in found["sections"]["machine"] if one["subject"] == "cores"]
    assert cores["facts"]["control_group"] is None


def test_a_group_beyond_its_limit(tmp_path, monkeypatch):
    """It has no memory left. Where the system does not say how much memory there is, nobody knows."""
    monkeypatch.setattr(machine, "free_bytes", lambda: -4096)
    (found,) = problems(checkout(tmp_path, {})).values()
    assert (found.subject, found.text) == ("memory", "0.0 MiB may be used")
    monkeypatch.setattr(machine, "memory_gib", lambda: 0.0)
    assert not problems(checkout(tmp_path, {}))


def test_little_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "free_bytes", lambda: 1 << 29)
    (found,) = problems(checkout(tmp_path, {})).values()
    assert (found.subject, found.text) == ("memory", "512.0 MiB may be used")
    assert found.remedy == "end other programs, or give the container more than 2.0 GiB (docker run -m 4g)"


@pytest.mark.parametrize(("limit", "shown"), [(3 << 30, "; its control group has 2.0 GiB left"), (2**63 - 4096, "")])
def test_the_memory_of_a_control_group(limit, shown, sound, monkeypatch):
    """Without a limit, version 1 of control groups has a very large number."""
    monkeypatch.setattr(machine, "memory_gib", lambda: 16.0)
    group = sound / "sys" / "fs" / "cgroup" / "job"
    for name, number in (("max", limit), ("current", 1 << 30)):
        (group / f"memory.{name}").write_text(str(number))
    assert machine.of_memory().text == f"8.0 GiB may be used{shown}"


@pytest.mark.parametrize(
    ("value", "more"), [("1", "; training and deploy set their own threads"), ("4", ""), ("0", "")]
)
def test_a_variable_that_limits_threads(value, more, monkeypatch):
    """It slows nothing of ours. TensorFlow takes 0 for as many as there are cores."""
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", value)
    (found,) = machine.of_threads()
    assert (found.text, found.is_problem) == (f"TF_NUM_INTRAOP_THREADS is {value}{more}", False)
