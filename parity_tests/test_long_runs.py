"""`parity --all` in a real process that is killed: its rows are kept, and made again when anything has changed."""

import subprocess
import sys
from dataclasses import replace

from parity.check import Plan, Result
from parity.log import Log, Row
from parity.plans import OPS, named_plans

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


def test_a_killed_run_goes_on(tmp_path):
    shown = first_rows(tmp_path)
    with (tmp_path / "parity.jsonl").open("a") as file:
        file.write('{"network": "op.conv.gro')  # as a kill in the middle of a line would leave it
    assert first_rows(tmp_path) == shown  # down to the seconds that they took


def row(plan: Plan) -> Row:
    return Row.of(plan, [Result("float32", True, "1e-06", value=1e-6), Result("step", False, "1", "at 'x'")], 1.5)


def test_a_row_belongs_to_what_was_compared(tmp_path):
    one, other = named_plans([OPS[0], OPS[1]])
    Log(tmp_path).add(one, row(one))
    log = Log(tmp_path)
    assert log.find(one) == row(one)
    assert log.find(other) is None
    assert log.find(replace(one, native=not one.native)) is None
    log.sources = "of another day"
    assert log.find(one) is None


def test_the_table(tmp_path):
    (plan,) = named_plans(["lenet5"])
    text = Log(tmp_path).write_table([row(plan)]).read_text()
    assert "1 networks and ops, 2 comparisons, 1 failed" in text
    assert "| lenet5 | 3x32x32 | 62,006 | 651,720 | - | 1e-06 |" in text
