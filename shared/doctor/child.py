"""Runs a probe in an environment, with a time limit. A probe that crashes or hangs is an answer, too."""

import json
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START = Path(__file__).with_name("probes") / "start.py"


@dataclass(frozen=True)
class Answer:
    """The facts of a probe, or its `problem` in one line."""

    facts: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


def ask(python: Path, probe: str, *arguments: str, seconds: float) -> Answer:
    """Run `doctor.probes.<probe>` under `python` for at most `seconds`."""
    try:
        child = subprocess.Popen(
            [str(python), "-P", str(START), probe, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return Answer(problem=f"its Python cannot be started ({error.strerror})")
    try:
        printed, said = child.communicate(timeout=seconds)
    except BaseException as error:
        end(child)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        return Answer(problem=f"did not end within {seconds:g} seconds")
    return read(child.returncode, printed.decode(errors="replace"), said.decode(errors="replace"))


def end(child: subprocess.Popen[bytes]) -> None:
    """Kill a child, with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


def read(status: int, printed: str, said: str) -> Answer:
    """The answer of a probe that has ended: its last line is JSON, or it ended too early."""
    try:
        facts = json.loads(printed.splitlines()[-1])
        return Answer(facts, str(facts.pop("problem", "")))
    except (IndexError, ValueError, AttributeError):
        pass
    if status < 0:
        known = [one.name for one in signal.Signals if one == -status]
        return Answer(problem=f"crashed with {known[0] if known else f'signal {-status}'}")
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), f"status {status}")
    return Answer(problem=f"failed: {last[:300]}")
