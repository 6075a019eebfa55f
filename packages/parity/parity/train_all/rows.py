"""The results of `train_all`: a row for each case and framework, and the table of all rows."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import fmean, variance
from typing import Any

from diptych.ledger import Ledger, markdown_table
from trainspec.runs.reading import NUMBER, OPTIONAL, TABLE, TEXT, WHOLE, Kinds, fits

JUDGED = 5  # the mean losses of this many first and last steps are compared
LOSSES: tuple[Callable[[Any], bool], str] = (  # also nan, if a network failed
    lambda value: isinstance(value, list) and all(isinstance(loss, int | float) for loss in value),
    "a list of numbers",
)
KINDS: Kinds = {
    **dict.fromkeys(("name", "network", "framework", "data", "rate", "digest", "reason", "date"), TEXT),
    **dict.fromkeys(("image_size", "batch"), WHOLE),
    **dict.fromkeys(("machine", "versions"), TABLE),
    "losses": LOSSES,
    "first": OPTIONAL,
    "last": OPTIONAL,
    "images_per_second": OPTIONAL,
    "seconds": NUMBER,
}
PLACE: Kinds = {"device": TEXT, "cpu": TEXT, "memory_gib": NUMBER}
Rows = dict[tuple[str, str], "Row"]  # by name and framework, the newest of each
Columns = Mapping[str, Callable[["Row"], str]]  # what a table says of a case, by title


@dataclass(frozen=True)
class Row:
    """A few steps of a network in one framework. `name`: the network, or the original recipe that trained it.

    `data`: the data set, as people read it. `reduced`: a copy with every distinct block once was trained. `rate`: the
    highest of the recipe's file and of the small batch. `digest`: of the initial weights and of the plans of all
    epochs. `losses` are the losses of the steps, in nats. `first` and `last` are the means that decide whether it
    passed.
    `seconds` are for everything, with building and tracing; `images_per_second` is for the steps after the first.
    `reason` says why it did not pass.
    """

    name: str
    network: str
    reduced: bool
    framework: str
    data: str
    image_size: int
    batch: int
    rate: str
    digest: str
    losses: tuple[float, ...]
    first: float | None
    last: float | None
    seconds: float
    images_per_second: float | None
    passed: bool
    reason: str
    date: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]


def read_row(entry: Mapping[str, Any]) -> Row | None:
    """The row of a line of the ledger; None if the line is not a row."""
    named = entry.keys() == {field.name for field in fields(Row)}
    return Row(**entry) if named and fits(entry, KINDS) and fits(entry["machine"], PLACE) else None


def ledger(folder: Path, stem: str = "train_all") -> Ledger[Row]:
    """The ledger in a folder of results."""
    return Ledger(folder / f"{stem}.jsonl", read_row)


def newest(rows: Ledger[Row], data: str | None = None) -> Rows:
    """The newest row of each name and framework; only of the data set `data` if it is given."""
    found = rows.newest(lambda row: (row.name, row.framework, row.data))
    return {(name, framework): row for (name, framework, own), row in found.items() if data in (None, own)}


def parted(rows: Rows, names: Sequence[str]) -> list[str]:
    """Those of `names` that did not begin with the same weights and plan the same batches in all frameworks."""
    digests: dict[str, set[str]] = {}
    for (name, _), row in rows.items():
        digests.setdefault(name, set()).add(row.digest)
    return [name for name in names if len(digests.get(name, ())) > 1]


def to_markdown(rows: Rows, names: Sequence[str], title: str, intro: str, columns: Columns) -> str:
    """The table: a line for each of `names` that has a row, with frameworks side by side; then what failed and why."""
    frameworks = list(dict.fromkeys(framework for _, framework in sorted(rows, key=lambda key: key[1] != "torch")))
    shown = [name for name in names if any((name, framework) in rows for framework in frameworks)]
    kept = [rows[name, framework] for name in shown for framework in frameworks if (name, framework) in rows]
    head = [*columns, *(f"{framework} {column}" for framework in frameworks for column in ("loss", "seconds"))]
    several = [name for name in shown if len(frameworks) > 1 and all((name, one) in rows for one in frameworks)]
    apart = parted(rows, several)
    lines = [f"# {title}\n\n{intro}\n", *_summary(kept, frameworks, len(names))]
    lines += [f"- the same weights and plans in all frameworks: {len(several) - len(apart)} of {len(several)}"]
    body = []
    for name in shown:
        found = [rows.get((name, framework)) for framework in frameworks]
        one = next(row for row in found if row)
        body.append([*(column(one) for column in columns.values()), *(cell for row in found for cell in _cells(row))])
    failed = [f"- **{row.name}** in {row.framework}: {row.reason}" for row in kept if not row.passed]
    failed += [f"- **{name}**: other weights or plans in one framework than in the other" for name in apart]
    lines += ["", markdown_table(head, body), *failed]
    return "\n".join(lines).rstrip() + "\n"


def _summary(rows: Sequence[Row], frameworks: Iterable[str], names: int) -> list[str]:
    """A line for each framework, and one for each machine and set of versions that it ran on."""
    lines = []
    for framework in frameworks:
        own = [row for row in rows if row.framework == framework]
        passed, seconds = sum(row.passed for row in own), sum(row.seconds for row in own)
        faint = [row.name for row in own if row.passed and is_faint(row.losses)]
        but = f"; the loss of {', '.join(faint)} falls by less than twice its standard error" if faint else ""
        lines.append(f"- **{framework}**: {passed} of {names} passed, in {seconds / 60:.0f} minutes{but}")
        places: dict[str, list[str]] = {}
        for row in own:
            versions = ", ".join(f"{package} {version}" for package, version in row.versions.items())
            place = f"{row.machine['device']}; {row.machine['cpu']}, {row.machine['memory_gib']} GiB; {versions}"
            places.setdefault(place, []).append(row.date)
        lines += [
            f"  - {place}; {' to '.join(sorted({min(dates), max(dates)}))}"
            + (f" ({len(dates)} of them)" if len(places) > 1 else "")
            for place, dates in places.items()
        ]
    return lines


def is_faint(losses: Sequence[float]) -> bool:
    """Whether the loss falls by less than twice the standard error of its fall: more steps would decide."""
    first, last = losses[:JUDGED], losses[-JUDGED:]
    error = math.sqrt((variance(first) + variance(last)) / JUDGED)
    return fmean(first) - fmean(last) < 2 * error


def _cells(row: Row | None) -> tuple[str, str]:
    if row is None:
        return "not run", ""
    losses = "" if row.first is None or row.last is None else f"{row.first:.4f} → {row.last:.4f}"
    return losses if row.passed else f"{losses} **failed**".strip(), f"{row.seconds:.1f}"


def described(row: Row) -> str:
    losses = "" if row.first is None else f"loss {row.first:.3f} to {row.last:.3f}"
    outcome = losses if row.passed else f"{losses}  FAILED: {row.reason}"
    return f"{row.name:<28} {row.image_size:>3} px  {row.seconds:>6.1f} s  {outcome}"
