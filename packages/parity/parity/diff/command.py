"""What `python -m parity diff` does: compares, prints, and writes a page if asked."""

from pathlib import Path

from deploy.shell import say
from parity.diff.findings import as_json, diff
from parity.diff.page import write_page
from parity.diff.words import lines


def run(a: str, b: str, *, out: Path | None = None, json: bool = False, unfinished: bool = False) -> int:
    """Print the findings as sentences or as JSON, write the page `out`, and return the exit status."""
    findings = diff(a, b, unfinished=unfinished)
    if out is not None:
        write_page(findings, out)
    if json:
        print(as_json(findings), flush=True)
    else:
        for line in lines(findings):
            say(line)
        if out is not None:
            say(f"page       {out}")
    return findings.status
