"""What the doctor finds, one fact at a time."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Finding:
    """A fact about a `subject` in one line. With a `remedy`, also in one line, it is a problem.

    `facts` are the same for programs.
    """

    subject: str
    text: str
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def is_problem(self) -> bool:
        return bool(self.remedy)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "problem": self.is_problem}


def quoted(path: Path) -> str:
    """A path as a shell takes it, for remedies that are commands."""
    return shlex.quote(str(path))


def gigabytes(count: float) -> str:
    """A number of bytes for people."""
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.1f} MiB"
