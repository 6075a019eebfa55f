"""A comparison as a page, and its figures as JSON beside it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from deploy.files import write_together
from netspec.diagram import draw
from parity import pages
from parity.compare import plots
from parity.compare.answers import MODEL
from parity.compare.block import excerpt, handlers, kinds_of
from parity.compare.classes import confusions, per_class
from parity.compare.comparison import Absent, Comparison
from parity.compare.facts import as_json, facts
from parity.compare.figures import Cell, Figure, figures, link
from parity.compare.pictures import MOST, pictures
from parity.compare.proof import Proof, Proved, proofs
from parity.compare.selection import LETTERS
from parity.compare.verdict import sentences, tone
from trainspec.results.commands import shown_command


def write(comparison: Comparison, folder: Path, measured: Sequence[Figure] = ()) -> Path:
    """Write `index.html` and `index.json` into `folder`, and return the page's path. Raises `StorageError`.

    `measured` are figures that are not in the runs' files.
    """
    rows = [*figures(comparison.sides, folder), *measured]
    missing = list(_missing(comparison, rows))
    folders = [link(folder, side.folder) for side in comparison.sides]
    proved = proofs(comparison.sides, folder)
    table = as_json(facts(comparison, rows, proved, folders, missing))
    text = page(comparison, rows, proved, folders, missing)
    write_together(folder, {"index.json": table.encode("utf-8", "replace"), "index.html": text.encode()})
    return folder / "index.html"


def page(
    comparison: Comparison,
    rows: Sequence[Figure],
    proved: Sequence[Proof],
    folders: Sequence[str],
    missing: Sequence[str],
) -> str:
    """The HTML of the page: one file, without scripts."""
    answers, timed, sides = comparison.answers, comparison.latencies, comparison.sides
    known = None if isinstance(answers, Absent) else answers
    part = excerpt(sides[0].graph)
    lettered = [(side.letter, folder) for side, folder in zip(sides, folders, strict=True)]
    return pages.render(
        "compare.html",
        sides=list(zip(sides, folders, strict=True)),
        title=_title(comparison),
        verdict=sentences(comparison),
        tone=tone(comparison),
        command=shown_command,
        rows=[row for row in rows if any(cell.value is not None for cell in row.cells)],
        curves=[(title, Markup(text)) for title, text in plots.curves(comparison)],
        pairs=list(zip(comparison.pairs, ([lettered[0], other] for other in lettered[1:]), strict=True)),
        short=[
            (name, short, list(zip(LETTERS, short.folders, strict=False)))
            for name, short in comparison.short.items()
            if not isinstance(short, Absent)
        ],
        drift=Markup(plots.drift(comparison)),
        absent=lambda part: isinstance(part, Absent),
        proofs=proved,
        unproved=list(_reasons(comparison, proved)),
        latencies=None if isinstance(timed, Absent) else timed,
        onnx=MODEL,
        model=[f"{folder}/{MODEL}" for folder in folders],
        every=lettered,
        answers=known,
        classes=per_class(known) if known else [],
        confusions=confusions(known) if known else [],
        pictures=pictures(known) if known else [],
        most=MOST,
        part=part,
        diagram=Markup(draw(part, [])),
        handlers=handlers(kinds_of(part)),
        missing=missing,
    )


def _title(comparison: Comparison) -> str:
    sides = comparison.sides
    networks = list(dict.fromkeys(side.graph.name for side in sides))
    frameworks = list(dict.fromkeys(side.framework for side in sides))
    return f"{' against '.join(networks)}: {' and '.join(frameworks)}"


def _reasons(comparison: Comparison, rows: Sequence[Figure | Proof]) -> Iterator[str]:
    """A sentence for each reason that cells of the rows have."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        cells: Sequence[Cell | Proved] = row.cells
        for reason in dict.fromkeys(cell.reason for cell in cells if cell.reason):
            pairs = zip(comparison.sides, cells, strict=True)
            letters = [side.letter for side, cell in pairs if cell.reason == reason]
            of = "" if len(letters) == len(comparison.sides) else f" of {', '.join(letters)}"
            reasons.setdefault(reason, []).append(f"{row.title}{of}")
    yield from (f"{'; '.join(titles)}: {reason}" for reason, titles in reasons.items())


def _missing(comparison: Comparison, rows: Sequence[Figure]) -> Any:
    """Sentences on what was not computed, each with its reason."""
    yield from _reasons(comparison, rows)
    for part, what in ((comparison.answers, "answers on the test images"), (comparison.latencies, "latency")):
        if isinstance(part, Absent):
            yield f"{what}: {part.reason}"
    for pair in comparison.pairs:
        if isinstance(pair.agreement, Absent):
            yield f"weights of {pair.title}: {pair.agreement.reason}"
    for precision, short in comparison.short.items():
        if isinstance(short, Absent):
            yield f"drift of the weights in {precision}: {short.reason}"
