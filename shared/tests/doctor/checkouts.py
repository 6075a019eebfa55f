"""A checkout with environments that answer what a test wants, or that are this test's own."""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doctor.child import START
from doctor.examination import examine
from doctor.finding import Finding
from doctor.place import WORK, Place

VERSIONS = {"python": "3.12.1", "packages": {"numpy": "2.0"}, "requires": {}}
DID = {"seconds": 1.0, "device": "CPU, 2 threads", "on_gpu": False, "libraries": {}}
WELL = {
    "versions": VERSIONS,
    "step torch": DID | {"did": "torch 2.0 trained and exported"},
    "step keras": DID | {"did": "keras 3.0 trained and exported"},
    "build": DID | {"did": "onnx 1.0 built and verified a graph"},
    "runtime": DID | {"did": "onnxruntime 1.0 ran a model"},
}


def checkout(folder: Path, kinds: Mapping[str, Mapping[str, Any]], pins: str = "numpy==2.0\n") -> Place:
    """A checkout in `folder`. `kinds` has what each environment's probes do instead of being well: facts, or shell."""
    (folder / "constraints.txt").write_text(pins)
    (folder / "noxfile.py").touch()
    for kind, does in kinds.items():
        environment(folder / ".nox" / kind, {probe: WELL[probe] for probe in ("versions", *WORK[kind])} | dict(does))
    return Place(folder, folder / ".nox", seconds=20)


def problems(place: Place) -> dict[str, Finding]:
    """The problems by their subject; there is at most one of each."""
    found = [one for _, findings in examine(place) for one in findings if one.is_problem]
    assert len({one.subject for one in found}) == len(found), found
    return {one.subject: one for one in found}


def environment(folder: Path, does: Mapping[str, Any]) -> None:
    """An environment whose Python is a script."""
    cases = []
    for probe, what in does.items():
        action = what if isinstance(what, str) else f"echo {shlex.quote(json.dumps(what))}"
        cases.append(f"'-P {START} {probe}') {action};;")
    script(folder, "\n".join(['case "$*" in', *cases, "*) exit 9;;", "esac"]))


def own_environment(folder: Path) -> None:
    """An environment whose Python is the one that runs the tests."""
    script(folder, f'exec {shlex.quote(sys.executable)} "$@"')


def script(folder: Path, text: str) -> None:
    (folder / "bin").mkdir(parents=True)
    (folder / "installed").touch()
    python = folder / "bin" / "python"
    python.write_text(f"#!/bin/sh\n{text}\n")
    python.chmod(0o755)
