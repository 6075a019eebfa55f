"""Trains a network in every framework by the commands that users type, each in a process of its own."""

import json
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.shell import Stopped, say
from diptych.errors import DataError, UsageError

ERROR = "error: "  # begins the line of a command that fails


@dataclass(frozen=True)
class Trained:
    """A finished training: its run, and what a run cannot say of itself.

    `startup_seconds` are from the start of the command to the first file of the run, which is written when the network
    is built; `total_seconds` are those of the whole command.
    """

    run: Path
    command: str
    startup_seconds: float
    total_seconds: float


def _started(python: Path, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """Python with these arguments. Raises `UsageError` for a file that cannot be started."""
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen([python, *arguments], stdout=pipe, stderr=pipe, text=True, errors="replace")
    except OSError as error:
        raise UsageError(f"{python} cannot be started: {error.strerror or error}; give --python PYTHON") from None


def train(framework: str, arguments: Sequence[str], python: Path) -> Trained:
    """Train with `python -m FRAMEWORK_impl train ARGUMENTS`, and print what it prints.

    Raises `DataError`, with what the command says, if it does not end with a finished run.
    """
    command = ["-m", f"{framework}_impl", "train", *arguments]
    shown = shlex.join(["python", *command])
    say(f"$ {shown}")
    begun, clock = time.time(), time.monotonic()
    reason = ""
    with _started(python, [*command, "--json"]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if line.startswith(ERROR):
                    reason = line.removeprefix(ERROR).strip()
                else:
                    say(line.rstrip("\n"))
            answer = process.stdout.read()  # one line, which a pipe holds meanwhile
            status = process.wait()
        except KeyboardInterrupt as stop:  # the training keeps what it has
            with suppress(ProcessLookupError):
                process.send_signal(stop.number if isinstance(stop, Stopped) else signal.SIGINT)
            process.communicate()  # reads on: a full pipe would hold it
            raise
    if status:
        raise DataError(f"'{shown}': {reason or f'it ended with exit status {status}'}")
    try:
        run = Path(json.loads(answer)["run"])
    except (ValueError, LookupError, TypeError):
        raise DataError(f"'{shown}': it did not say where its run is") from None
    startup = (run / "graph.json").stat().st_mtime - begun
    return Trained(run, shown, round(startup, 2), round(time.monotonic() - clock, 2))
