"""Findings as a page: the words, both networks as one diagram, and a table of all nodes."""

import math
from pathlib import Path

from markupsafe import Markup

from netspec.diagram import draw
from parity import pages
from parity.diff.findings import DIFFERENT, EQUAL, Findings
from parity.diff.rows import Row, rows
from parity.diff.union import DECADES, marks_of, union
from parity.diff.words import number, sections

TONES = {EQUAL: "equal", DIFFERENT: "different"}
LEAST = 16  # decades below 1 that the bars show


def page(findings: Findings) -> str:
    """The HTML of the page: one file, without scripts."""
    a, b = findings.a.graph or findings.b.graph, findings.b.graph or findings.a.graph
    both = union(a, b) if a is not None and b is not None else None
    listed = list(rows(findings, both)) if both else []
    bars = [(row, height(row.error)) for row in listed if row.error is not None]
    return pages.render(
        "diff.html",
        findings=findings,
        tone=TONES.get(findings.status, "open"),
        first=findings.values.first,
        sections=sections(findings),
        picture=Markup(draw(both, [], marks_of(findings))) if both else "",
        legend=_legend(findings, listed),
        bars=bars,
        limit_height=height(findings.values.limit),
        rows=listed,
        error=_error,
    )


def height(error: float) -> float:
    """Of an error's bar, 0 to `LEAST`: the decades above 1e-16."""
    if not math.isfinite(error):
        return LEAST
    return min(LEAST, max(0.0, LEAST + math.log10(error))) if error else 0.0


def write_page(findings: Findings, path: Path) -> None:
    """Write the page, the whole file or nothing. Raises `StorageError` if it cannot be written."""
    pages.write(path, page(findings))


def _error(value: float | None) -> str:
    return "" if value is None else number(value) if math.isfinite(value) else "not comparable"


def _legend(findings: Findings, listed: list[Row]) -> list[tuple[str, str]]:
    """The classes that the diagram uses, in words."""
    kinds, levels = {row.kind for row in listed}, {row.level for row in listed}
    limit = findings.values.limit
    words = [("", f"within the limit of {limit:.0e}" if findings.values.nodes else "in both")]
    bounds = [limit, *DECADES[1:]]
    for level, least in enumerate(bounds, 1):
        if level in levels:
            most = f" to {bounds[level]:.0e}" if level < len(bounds) else ""
            words.append((f"level-{level}", f"error {least:.0e}{most}" + (" and more" if not most else "")))
    names = {"changed": "other attributes or inputs", "only-a": "only in A", "only-b": "only in B"}
    words += [(f"mark-{kind}", text) for kind, text in names.items() if kind in kinds]
    return [*words, ("mark-part", "some of it differs")] if kinds - {""} else words
