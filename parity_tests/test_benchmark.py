"""`deploy benchmark`: percentiles by hand, a table with other timings beside, and what does not fit."""

import json
import os

import pytest

import deploy.__main__
import parity.__main__
from broken_cuda import NOTE, break_cuda
from deploy import DeployError
from deploy.benchmarking import side_by_side
from deploy.timings import Timing, in_turns, read_timings, written
from tiny_classifier import write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("given"))


def test_percentiles_by_hand():
    timing = Timing.of("torch", "cpu", 2, 8, 0.5, [number / 1000 for number in range(101)])
    assert [round(value, 9) for value in (timing.p50, timing.p90, timing.p95, timing.p99)] == [50, 90, 95, 99]
    assert (timing.passes, timing.first, round(timing.mean, 9)) == (101, 500, 50)
    assert round(timing.images_per_second, 9) == 160


def test_a_pipe_is_not_a_file_of_timings(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DeployError, match="cannot be read: it is not an ordinary file"):
        read_timings(tmp_path / "pipe")


def test_runs_take_turns_behind_their_warm_up():
    order = []
    measured = in_turns([lambda: order.append(0), lambda: order.append(1)], 1e-6, rounds=2)
    assert order == [0] * 2 + [1] * 2 + ([0] * 3 + [1] * 3) * 2
    assert [len(times) for _, times in measured] == [6, 6]


def test_the_command(folder, tmp_path, capsys):
    other = Timing.of("torch", "cpu", 2, 8, 0.5, [0.001, 0.002])
    (tmp_path / "other.json").write_text(written("m", [other]))
    argv = ["benchmark", str(folder / "run"), "--batch", "1", "2", "--threads", "1", "2", "--seconds", "0.01"]
    paths = ["--json", str(tmp_path / "own.json"), "--plot", str(tmp_path / "own.png")]
    deploy.__main__.main([*argv, *paths, "--beside", str(tmp_path / "other.json")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 4 + 1
    assert lines[-1].startswith("torch ")
    found = read_timings(tmp_path / "own.json")
    assert [(each.threads, each.batch) for each in found] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert all(each.provider == "CPUExecutionProvider" and each.passes >= 5 for each in found)
    assert (tmp_path / "own.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_runtime_of_two_files_is_told_apart():
    one, torch = (Timing.of(by, "cpu", 2, 8, 0.5, [0.001, 0.002]) for by in ("onnxruntime", "torch"))
    found = side_by_side([one], [("a.json", [one, torch]), ("b.json", [one])])
    assert [each.by for each in found] == ["onnxruntime", "onnxruntime (a.json)", "torch", "onnxruntime (b.json)"]
    assert [each.by for each in side_by_side([one], [("a.json", [torch])])] == ["onnxruntime", "torch"]


def test_a_provider_that_was_passed_over_is_named_once(folder, monkeypatch, capsys):
    break_cuda(monkeypatch)
    argv = ["benchmark", str(folder / "run"), "--batch", "1", "--threads", "1", "2", "--seconds", "0.01"]
    deploy.__main__.main(argv)
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("note")] == [NOTE]
    deploy.__main__.main([*argv, "--provider", "cpu"])  # nothing is passed over
    assert "note" not in capsys.readouterr().out


def test_the_frameworks_own_passes_beside(folder, tmp_path, capsys):
    """Both in processes of their own, by the same function, into the same table."""
    argv = ["time", "lenet5", "--batch", "1", "3", "--threads", "1", "--seconds", "0.01"]
    parity.__main__.main([*argv, "--json", str(tmp_path / "own.json")])
    found = read_timings(tmp_path / "own.json")
    assert [(each.by, each.provider, each.threads, each.batch) for each in found] == [
        (by, "CPU", 1, batch) for by in ("torch", "keras") for batch in (1, 3)
    ]
    assert all(each.passes >= 5 for each in found)
    table = capsys.readouterr().out.splitlines()
    benchmark = ["benchmark", str(folder / "run"), "--batch", "1", "--seconds", "0.01"]
    deploy.__main__.main([*benchmark, "--beside", str(tmp_path / "own.json")])
    beside = capsys.readouterr().out.splitlines()
    assert [line.split() for line in beside[2:]] == [line.split() for line in table[1:]]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--batch", "0"], "each is 1 to"), (["--seconds", "nan"], "seconds"), (["--threads", "0"], "threads"),
        (["--provider", "gpu"], "no provider 'gpu'"), (["--beside", "none.json"], "none.json: cannot be read"),
        (["--seconds", "0.001", "--json", "/dev/null/x"], "cannot be written"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(folder, argv, message):
    with pytest.raises(DeployError, match=message) as raised:
        deploy.__main__.main(["benchmark", str(folder / "run"), *argv])
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"batch": 0},
        {"p50": "x"},
        {"by": 3},
        {"p99": None},
        {"p90": "3"},
        {"threads": True},
        {"batch": 1.5},
        {"mean": float("inf")},
        {"mean": 10**400},
        {"mean": 5e-324},
        {"batch": 10**400},
    ],
)
def test_a_file_that_is_not_of_timings(tmp_path, change):
    good = json.loads(written("m", [Timing.of("torch", "cpu", 2, 8, 0.5, [0.001])]))
    good["timings"][0] |= change
    for text in (json.dumps(good), "[]", "{}", "", '{"schema": 2}'):
        (tmp_path / "t.json").write_text(text)
        with pytest.raises(DeployError, match="not a file of timings"):
            read_timings(tmp_path / "t.json")
