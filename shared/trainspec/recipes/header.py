"""The header of a recipe's file: its source, its command, and what accuracy to expect."""

import re
from dataclasses import dataclass
from pathlib import Path

from trainspec.recipes.find import COLLECTIONS

FIRST = "# Accuracy to expect: "
COMMAND = re.compile(
    r"(.*) Command: nox -s train_torch -- (\S+)(?: --recipe (\S+))? --data (\S+)(?: --weights FILE)? "
    r"Accuracy to expect: "
)


@dataclass(frozen=True)
class Facts:
    """What a header says before its accuracy. `source`: where the recipe comes from, in words. The rest is of its
    command: the network, the value of `--recipe` and that of `--data`."""

    source: str
    network: str
    recipe: str
    data: str

    @classmethod
    def of(cls, file: Path) -> "Facts | None":
        """The facts in the header of a recipe's file; None where it does not have them all."""
        found = COMMAND.match(_words(header(file.read_text(encoding="utf-8"))))
        return cls(found[1], found[2], found[3] or COLLECTIONS[0], found[4]) if found else None


def header(text: str) -> str:
    """The lines of a recipe before its first value."""
    return "".join(re.findall(r"\A(?:#.*\n)*", text))


def said(header: str) -> str:
    """What a header says of accuracy, in one line; empty if it says nothing."""
    return _words(header.partition(FIRST)[2])


def _words(header: str) -> str:
    """The words of a header in one line."""
    return " ".join(line.removeprefix("#").strip() for line in header.splitlines())
