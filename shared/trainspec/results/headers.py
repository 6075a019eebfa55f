"""The headers of recipe files: source, command, and the accuracy, which is written from runs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from deploy.files import write_bytes
from deploy.shell import printable
from trainspec.recipes.find import COLLECTIONS, shipped_recipes
from trainspec.results.rows import Row

FIRST = "# Accuracy to expect: "
UNKNOWN = "not yet run here"  # a header that begins so, whatever follows, says nothing of a run
WIDTH = 120
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


def write_headers(rows: Sequence[Row], files: Mapping[str, Path] | None = None) -> list[Path]:
    """Write what was measured into the headers of the recipes of `rows`. Returns the files that have changed.

    `files` are the recipes by name; None means all that are shipped. Raises `StorageError`.
    """
    changed = []
    for name, file in (shipped_recipes() if files is None else files).items():
        own = [row for row in rows if row.recipe == name]
        before = file.read_text(encoding="utf-8")
        after = with_measured(before, [sentence(row) for row in own]) if own else before
        if after != before:
            write_bytes(file, after.encode())
            changed.append(file)
    return changed


def count_measured(files: Iterable[Path] | None = None) -> tuple[int, int]:
    """How many recipes say what was measured, and how many recipes there are."""
    headers = [header(file.read_text(encoding="utf-8")) for file in files or shipped_recipes().values()]
    return sum(bool(said(text)) and not said(text).startswith(UNKNOWN) for text in headers), len(headers)


def header(text: str) -> str:
    """The lines of a recipe before its first value."""
    return "".join(re.findall(r"\A(?:#.*\n)*", text))


def said(header: str) -> str:
    """What a header says of accuracy, in one line; empty if it says nothing."""
    return _words(header.partition(FIRST)[2])


def _words(header: str) -> str:
    """The words of a header in one line."""
    return " ".join(line.removeprefix("#").strip() for line in header.splitlines())


def with_measured(text: str, sentences: Sequence[str]) -> str:
    """A recipe's text with `sentences` on its accuracy in the header. They are the header's last lines."""
    old = header(text)
    lines = wrap(
        f"{FIRST}{' '.join(sentences)}",
        WIDTH,
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return old.partition(FIRST)[0] + "\n".join(lines) + "\n" + text.removeprefix(old)


def sentence(row: Row) -> str:
    """What was measured: network, data, accuracy, interval, runs, machine, date and command."""
    runs = f"{len(row.runs)} runs" if len(row.runs) > 1 else f"1 run, {row.test_images:,} images"
    views = "" if row.top1_tta is None else f", {row.top1_tta:.2f} % with {row.tta} views"
    cpu, cores = row.machine.get("cpu", "unknown"), row.machine.get("cores", "?")
    text = (
        f"{row.network} on {row.data}: {row.top1:.2f} % ({row.low:.2f} to {row.high:.2f}, {runs}){views}; "
        f"{row.framework}, {row.precision}, {row.epochs:.4g} epochs; {row.device} ({cpu}, {cores} cores); "
        f"{max(row.started)[:10]}; {row.commands[0]}."
    )
    return printable(text)
