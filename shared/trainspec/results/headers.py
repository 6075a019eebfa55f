"""What the headers of recipe files say of accuracy is written from runs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import wrap

from deploy.files import write_bytes
from deploy.shell import printable
from trainspec.recipes.find import shipped_recipes
from trainspec.recipes.header import FIRST, header, said
from trainspec.results.rows import Row

UNKNOWN = "not yet run here"  # a header that begins so, whatever follows, says nothing of a run
WIDTH = 120


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
    """What was measured: network, data, accuracy, interval, runs, changes of the recipe, machine, date, command."""
    runs = f"{len(row.runs)} runs" if len(row.runs) > 1 else f"1 run, {row.test_images:,} images"
    views = "" if row.top1_tta is None else f", {row.top1_tta:.2f} % with {row.tta} views"
    trained = ", ".join((row.framework, row.precision, f"{row.epochs:.4g} epochs", *row.changes))
    cpu, cores = row.machine.get("cpu", "unknown"), row.machine.get("cores", "?")
    text = (
        f"{row.network} on {row.data}: {row.top1:.2f} % ({row.low:.2f} to {row.high:.2f}, {runs}){views}; "
        f"{trained}; {row.device} ({cpu}, {cores} cores); "
        f"{max(row.started)[:10]}; {row.commands[0]}."
    )
    return printable(text)
