"""The rows of results as Markdown, CSV and JSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields

from deploy.shell import printable
from netspec.labels import letter
from trainspec.results.pairs import undecided
from trainspec.results.rows import Row

COLUMNS = (
    "network", "data", "parameters", "MACs", "recipe", "framework", "precision", "batch", "epochs", "runs", "time",
    "images/s", "peak memory", "top-1 %", "error %", "95 % over runs", "95 % over images",
    "with views %", "published %", "on",
)  # fmt: skip
NUMBERS = {"parameters", "MACs", "batch", "epochs", "runs", "time", "images/s", "peak memory"} | {
    column for column in COLUMNS if "%" in column and column != "published %"
}
NOTES = """\
`nox -s results` made this from run folders. Top-1 and error are means over the runs of a row, which differ in their
seeds only. Top-1 has two 95 % intervals: over runs (Student) where there are several, which says what another seed may
bring, and over the test images (Wilson), which says what other images may bring. Time is that of training, without
evaluation. Memory is the peak of the process and, after a plus, of the GPU. "With views" is top-1 with the recipe's
test-time augmentation. What is published was measured by others, on other machines and often over other training
images: see the recipe's header.
"""


PAIRS = """\
Undecided: pairs of rows that differ in the recipe alone or in the framework alone, and whose intervals overlap (over
runs where there are several). Other seeds, or other images, may turn their order round.
"""


def to_markdown(rows: Sequence[Row], left_out: Sequence[str]) -> str:
    """The table for people, the machines that it names by letters, what it leaves undecided or out."""
    machines = list(dict.fromkeys(map(machine, rows)))
    lines = ["# Results", "", NOTES]
    lines += [_line(COLUMNS), _line(["--:" if column in NUMBERS else "---" for column in COLUMNS])]
    lines += [_line(cells(row, letter(machines.index(machine(row))))) for row in rows]
    lines += ["", *(f"- {letter(number)}: {text}" for number, text in enumerate(machines))]
    if pairs := list(undecided(rows)):
        lines += ["", PAIRS, *(f"- {_safe(text)}" for text in pairs)]
    if left_out:
        lines += ["", "Left out:", "", *(f"- {_safe(text)}" for text in left_out)]
    return "\n".join(lines) + "\n"


def cells(row: Row, on: str) -> list[str]:
    """The texts of a row, in the order of `COLUMNS`."""
    memory = [f"{peak / 2**20:,.0f} MiB" for peak in (row.peak_memory, row.peak_device_memory) if peak is not None]
    return [
        row.network,
        row.data,
        f"{row.parameters:,}",
        f"{row.macs / 1e6:,.2f} M",
        " ".join((row.recipe, *row.changes)),
        row.framework,
        row.precision,
        f"{row.batch}",
        f"{row.epochs:.4g}",
        f"{len(row.runs)}",
        duration(row.train_seconds),
        f"{row.images_per_second:,.0f}",
        " + ".join(memory),
        f"{row.top1:.2f}",
        f"{row.error:.2f}",
        f"{row.low:.2f} to {row.high:.2f}" if row.interval == "runs" else "",
        f"{row.low_images:.2f} to {row.high_images:.2f}",
        "" if row.top1_tta is None else f"{row.top1_tta:.2f} ({row.tta})",
        "; ".join(row.published),
        on,
    ]


def to_csv(rows: Sequence[Row]) -> str:
    """A header, then every field of every row; lists are separated by semicolons, tables are JSON."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(Row)]
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(value) for value in asdict(row).values()])
    return text.getvalue()


def to_json(rows: Sequence[Row], left_out: Sequence[str]) -> str:
    """Every field of every row, and the runs that do not count with their reasons."""
    return json.dumps({"rows": [asdict(row) for row in rows], "left_out": list(left_out)}, indent=1) + "\n"


def machine(row: Row) -> str:
    """The machine and the versions of a row, for people."""
    versions = ", ".join(f"{name} {version}" for name, version in row.versions.items())
    cpu, cores, memory = (row.machine.get(key, "unknown") for key in ("cpu", "cores", "memory_gib"))
    return _safe(f"{row.device}; {cpu}, {cores} cores, {memory} GiB; {versions}")


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(map(_safe, texts))} |"


def _safe(text: str) -> str:
    """A text that cannot end its cell or its line."""
    return printable(text).replace("|", "\\|").replace("<", "&lt;")


def _cell(value: object) -> object:
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else value
