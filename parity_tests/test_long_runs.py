"""`parity --all` in a real process that is killed: its rows are kept, and made again when anything has changed."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from changed import changed_source

from diptych.errors import ExportError
from parity import report
from parity.check import Comparison, Result
from parity.comparisons import OPS, named_comparisons
from parity.log import Log, Row
from parity.runners import native_logits

ROWS = 3


def first_rows(folder) -> list[str]:
    """Start the run, kill it behind its third row; the rows as they were shown."""
    command = [sys.executable, "-u", "-m", "parity", "--all", "--results", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        shown = []
        while len(shown) < ROWS and (line := process.stdout.readline()):
            shown += [line] if line.startswith("op.") else []
        process.kill()
    assert len(shown) == ROWS
    return shown


@pytest.mark.long
def test_a_killed_run_goes_on(tmp_path):
    shown = first_rows(tmp_path)
    with (tmp_path / "parity.jsonl").open("a") as file:
        file.write('{"network": "op.conv.gro')  # as a kill in the middle of a line would leave it
    assert first_rows(tmp_path) == shown  # down to the seconds that they took


def test_ctrl_c_ends_all_processes_with_one_line():
    """In the middle of a network, and as a terminal sends it: to every process of the group."""
    command = [sys.executable, "-u", "-m", "parity", "op.*", "--jobs", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        while not process.stdout.readline().startswith("op."):
            pass
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=10)[1]  # ends when the last of them has closed its output
    assert (process.returncode, said) == (130, "interrupted\n")


def row(comparison: Comparison, passed: bool = True) -> Row:
    results = [Result("float32", True, "1e-06", value=1e-6), Result("step", passed, "1", "" if passed else "at 'x'")]
    return Row.of(comparison, results, 1.5)


def test_a_row_belongs_to_what_was_compared(tmp_path):
    one, other = named_comparisons([OPS[0], OPS[1]])
    Log(tmp_path).add(one, row(one))
    log = Log(tmp_path)
    assert log.find(one) == row(one)
    assert log.find(other) is None
    assert log.find(replace(one, native=not one.native)) is None
    assert log.find(replace(one, in_float64=replace(one.network, loss_weights=(0.5,)))) is None


def test_what_failed_is_compared_again(tmp_path):
    (comparison,) = named_comparisons([OPS[0]])
    Log(tmp_path).add(comparison, row(comparison, passed=False))
    assert Log(tmp_path).find(comparison) is None
    Log(tmp_path).add(comparison, row(comparison))
    assert Log(tmp_path).find(comparison) == row(comparison)


CODE = {  # a change of code that decides what a comparison of a convolution gives
    "netspec/compare.py": ("float(outputs.std(0).mean())", "float(outputs.std(0).max())"),
    "netspec/passes.py": ("def explicit_noise(", "def explicit_noise(_extra=0, *, "),
    "netspec/tolerances.toml": ("[limits]", "[limits]\n# another"),
    "torch_impl/layers.py": ("class Conv2d(", "class Conv2d(object, "),
    "torch_impl/ops.py": ("groups=op.groups, bias=op.bias", "groups=op.groups, bias=False"),
    "torch_impl/weights.py": ("def get_weights(", "def get_weights(_extra=0, *, "),
    "torch_impl/export.py": ("dynamo=True", "dynamo=False"),
    "keras_impl/kernels.py": ('== "tensorflow"', '!= "tensorflow"'),
    "keras_impl/trainer.py": ("from_logits=True", "from_logits=False"),
    "onnx_impl/model.py": ("DEFAULT_OPSET = ", "DEFAULT_OPSET = 1 + "),
    "parity/subject.py": ("IMAGES = 8", "IMAGES = 9"),
    "parity/runners/keras.py": ("MEMORY = 2**30", "MEMORY = 2**20"),
    "parity/counts.json": ("[", "[ "),
}


@pytest.mark.parametrize("changed", CODE)
def test_a_row_belongs_to_the_code_that_made_it(tmp_path, changed):
    (comparison,) = named_comparisons(["op.conv.stride"])
    Log(tmp_path).add(comparison, row(comparison))
    assert Log(tmp_path).find(comparison)
    with changed_source(tmp_path, changed, *CODE[changed]):
        assert Log(tmp_path).find(comparison) is None
    assert Log(tmp_path).find(comparison)


WORDS = {  # changes that no figure depends on
    "netspec/compare.py": ("Raises `ParityError` for", "`ParityError` is raised for"),
    "netspec/options.py": ("an architecture's name", "the name of an architecture"),
    "torch_impl/layers.py": ('"""\n\n', 'Other words."""\n\n'),
    "torch_impl/ops.py": ("@builds(ops.MaxPool)", "# a comment\n@builds(ops.MaxPool)"),
    "keras_impl/ops.py": ("One handler an op", "A handler for each op"),
    "trainspec/recipes/modern/alexnet.toml": ("epochs", "# a comment\nepochs"),
    "parity/commands/check.py": ("networks by wildcard", "networks, by wildcard"),
    "parity/report.py": ("FAILED", "failed"),
}


@pytest.mark.parametrize("changed", WORDS)
def test_changed_words_keep_every_row(tmp_path, changed):
    comparisons = named_comparisons(["op.*", "resnet20"])
    for comparison in comparisons:
        Log(tmp_path).add(comparison, row(comparison))
    with changed_source(tmp_path, changed, *WORDS[changed]):
        log = Log(tmp_path)
        assert all(log.find(comparison) for comparison in comparisons)


@pytest.mark.parametrize("builder", ["torch", "keras", "onnx"])
def test_a_changed_handler_drops_the_rows_that_use_it(tmp_path, builder):
    comparisons = named_comparisons(["op.*"])
    for comparison in comparisons:
        Log(tmp_path).add(comparison, row(comparison))
    with changed_source(tmp_path, f"{builder}_impl/ops.py", "def max_pool(op", "def max_pool(op, _extra=0, *, __"):
        log = Log(tmp_path)
        dropped = {comparison.network.name for comparison in comparisons if not log.find(comparison)}
    using = {
        comparison.network.name
        for comparison in comparisons
        if "max_pool" in {node.op.kind for node in comparison.network}
    }
    assert dropped == using
    assert 2 < len(using) < len(comparisons)


def test_rows_are_kept_one_by_one(tmp_path, monkeypatch):
    """Not after the last network of those that reduce to the same graph."""
    monkeypatch.setattr(report, "_compare", lambda comparison, weights, done: row(comparison))
    comparisons = named_comparisons([OPS[0], OPS[1]])
    rows = report._compare_group(comparisons, (), tmp_path)
    first = next(rows)
    assert list(Log(tmp_path).rows.values()) == [first]


def test_a_network_that_cannot_be_compared_is_a_failure(monkeypatch, capsys):
    """And the next one has its turn: whatever is raised, also without a word."""

    def broken(comparison, **options):
        yield Result("counts", True, "1")
        raise RuntimeError("no room\nleft") if comparison.network.name == OPS[0] else AssertionError

    monkeypatch.setattr(report, "check", broken)
    assert report.run(named_comparisons([OPS[0], OPS[1]])) == 1
    shown = capsys.readouterr().out
    assert f"FAILED {OPS[0]}: compared: RuntimeError: no room left" in shown
    assert f"FAILED {OPS[1]}: compared: AssertionError:" in shown
    assert "4 comparisons of 2 networks, 2 failed" in shown


def test_an_exporter_that_says_nothing(monkeypatch):
    """Its error without a word is a finding as any other."""
    runner = SimpleNamespace(name="torch", native_onnx=Mock(side_effect=AssertionError))
    with pytest.raises(ExportError, match="the export of torch fails: AssertionError"):
        native_logits(runner, {})


def test_the_table(tmp_path):
    """Says which comparisons failed and where, also of a network that could not be compared."""
    one, two, three = named_comparisons(["lenet5", "lenet5_wide", "nin"])
    broken = Row.of(three, [Result("compared", False, "-", "no memory")], 1.5)
    text = Log(tmp_path).write_table([row(one), row(two, passed=False), broken]).read_text()
    assert "3 networks and ops, 5 comparisons, 2 failed" in text
    assert "| lenet5 | 3x32x32 | 62,006 | 651,720 | - | 1e-06 |" in text
    (failed,) = (line for line in text.splitlines() if line.startswith("| **lenet5_wide** |"))
    assert "| **1** |" in failed
    assert "| 1e-06 |" in failed
    assert "| **nin** |" in text
    assert text.endswith("|\n\n- **lenet5_wide**: step: at 'x'\n- **nin**: compared: no memory\n")
