"""What a training shows: names that no terminal obeys, and no end of a training because nobody reads its lines."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from parity.train_all.display import Display
from trainspec.runs import TrainingProgress

EVIL = "caf\udce9 \x1b[31m[bold]x[/y]\nnext \u202e"
SHOWN = r"caf\xe9 \x1b[31m[bold]x[/y]\nnext \u202e"


@pytest.mark.parametrize("terminal", [False, True])
def test_names_are_printed_as_text(terminal):
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal, width=200)
    with TrainingProgress(10, 5, console) as progress:
        progress.say(EVIL)
    few = Display("torch", 1)
    few.console = console
    few.say(EVIL)
    assert shown.getvalue().count(SHOWN) == 2


PROGRAM = """
import sys
from deploy import shell
from trainspec.runs import TrainingProgress
from parity.train_all.display import Display
def main(argv):
    with TrainingProgress(10, 5) as progress, Display("torch", 1) as few:
        for step in range(3):
            progress.say("a line " + 3000 * "é")
            few.say("a line")
    sys.stderr.write("trained\\n")
shell.run(main)
"""


@pytest.mark.parametrize(
    ("streams", "status", "said"),
    [
        ("| true", 0, ["trained"]),
        ("> /dev/full", 2, ["trained", "error: standard output cannot be written: No space left on device"]),
        ("> /dev/null", 0, ["trained"]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_training_goes_on_when_nobody_reads(streams, status, said, encoding):
    script = f'PYTHONIOENCODING={encoding} {sys.executable} -c "$PROGRAM" {streams}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, env={"PROGRAM": PROGRAM}, timeout=100
    )
    assert done.stderr.splitlines() == said
    assert done.returncode == status
