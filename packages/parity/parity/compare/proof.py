"""The parity of each run, as its certificate has it: what was compared, with its limit, and why no more was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from deploy.certificate import find_certificate
from deploy.runs import PROOF
from netspec.weights import deployed_hash
from parity.compare.figures import link
from parity.compare.selection import Side
from parity.mutants.record import counts
from parity.titles import title_of
from trainspec.certificate import CHECKS, NAME, finite

NONE = "no certificate of the run's weights; nox -s parity -- RUN writes one"
UNNAMED = "the certificate does not name it"
MUTANTS = "mutants"


@dataclass(frozen=True)
class Proved:
    """What a certificate says of one comparison. `source` is its path from the page.

    `value` is a difference, if the comparison has one; of mutants, those that survived. `text` and `note` are shown;
    they are empty if nothing was computed. `reason` says why that is so, or where the comparison failed.
    """

    text: str = ""
    note: str = ""
    value: float | None = None
    limit: float | None = None
    passed: bool | None = None
    reason: str = ""
    source: str = ""


@dataclass(frozen=True)
class Proof:
    """A row of the table: what the certificate of each run says of one comparison."""

    name: str
    title: str
    cells: tuple[Proved, ...]


def proofs(sides: Sequence[Side], folder: Path) -> list[Proof]:
    """A row for each check, for the mutants, and for each ONNX file and what it was compared with."""
    known = [_read(side, link(folder, side.folder / PROOF / NAME)) for side in sides]
    others = sorted(set().union(*known).difference(CHECKS, [MUTANTS]))
    return [
        Proof(name, _title(name), tuple(one.get(name, Proved(reason=UNNAMED if one else NONE)) for one in known))
        for name in (*CHECKS, MUTANTS, *others)
    ]


def _read(side: Side, source: str) -> dict[str, Proved]:
    """All that the certificate of a run says, by name; empty if there is none of its weights, or a damaged one."""
    found = find_certificate(side.folder, deployed_hash(side.graph, side.weights), "") or {}
    try:
        read = {name: partial(_check, one) for name, one in found["checks"].items() if one}
        read |= {name: partial(_export, one) for name, one in found["exports"].items()}
        if found[MUTANTS]:
            read[MUTANTS] = partial(_mutants, found[MUTANTS])
        reasons = {name: str(reason) for name, reason in found["reasons"].items()}
        return {name: read.get(name, Proved)(reason=reasons.get(name, ""), source=source) for name in read | reasons}
    except (LookupError, TypeError, ValueError, AttributeError):
        return {}


def _check(found: Mapping[str, Any], **rest: str) -> Proved:
    value, limit = finite(found["value"]), finite(found["limit"])
    return Proved(str(found["text"]), _limit(limit), value, limit, bool(found["passed"]), **rest)


def _export(found: Mapping[str, Any], **rest: str) -> Proved:
    value, limit = finite(found["difference"]), finite(found["limit"])
    if value is None or limit is None:
        return Proved("not finite", _limit(limit), None, limit, False, **rest)
    return Proved(f"{value:.1e}", _limit(limit), value, limit, value <= limit, **rest)


def _mutants(found: Mapping[str, int], **rest: str) -> Proved:
    planted, killed, named, equal, survived = (int(found[name]) for name in counts(()))
    note = f"{named:,} named, {equal:,} equal, {survived:,} survived"
    return Proved(f"{killed:,} of {planted:,} killed", note, survived, None, not survived, **rest)


def _limit(limit: float | None) -> str:
    return "" if limit is None else f"limit {limit:.0e}"


def _title(name: str) -> str:
    file, bar, by = name.partition(" | ")
    return f"{file} against {title_of(by)}" if bar else name
