"""Keeps what became of the mutants of each network, and writes the table of all."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import starmap
from pathlib import Path
from typing import Any

from deploy.files import write_bytes
from diptych.ledger import Ledger, fingerprint, markdown_table
from diptych.machine import describe_machine, describe_versions
from netspec import Graph
from parity.dependencies import digest_of_code
from parity.log import BUILDERS
from parity.mutants.judging import Outcome
from trainspec.certificate import PACKAGES

ROOTS = {False: ("parity.mutants.testing", "try_graph"), True: ("parity.mutants.testing", "try_steps")}  # of steps?
HEAD = """# The proof, tested: mutants

Written by `nox -s parity -- --all --mutants` on {date}, on the CPU ({cpu}, {cores} cores); {versions}.

A mutant is a network with one fault. Each is planted in one implementation (PyTorch, Keras or the ONNX builder); the
others are sound. It is killed if a check of `nox -s parity` fails, and named if what the check prints names the right
node. Faults of a training step are planted in one trainer; `nox -s lockstep` has to find them and name the right stage.
The networks are reduced copies: the lightest of each family, and the lightest one for each fault that has no place in
those. Places are drawn by a seed, at most three of each fault in one network, each in another kind of place.

{planted} mutants: {killed} killed, {equal} proved to compute the same function, {survived} survived. {named} of those
that were killed were named right ({share:.1f} %).

"""


@dataclass(frozen=True)
class Row:
    """The mutants of one network; `of_steps` if they are those of a training step."""

    network: str
    of_steps: bool
    outcomes: tuple[Outcome, ...]
    seconds: float

    @classmethod
    def read(cls, table: dict[str, Any]) -> "Row | None":
        """The row of a line of the ledger; None if the line is not a row."""
        try:
            return cls(**table | {"outcomes": tuple(Outcome(**outcome) for outcome in table["outcomes"])})
        except (TypeError, KeyError):
            return None

    @property
    def sound(self) -> bool:
        """Whether no mutant survived."""
        return bool(self.outcomes) and not any(one.survived for one in self.outcomes)


class Record:
    """The ledger `mutants.jsonl` in a folder, and the table `mutants.md` that is made of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions = describe_versions(PACKAGES)
        self.ledger = Ledger(folder / "mutants.jsonl", Row.read)

    @cached_property
    def rows(self) -> dict[str, Row]:
        return self.ledger.rows()

    def find(self, graph: Graph, of_steps: bool) -> Row | None:
        """The row of an earlier run, if everything that it depends on is unchanged."""
        return self.rows.get(self.fingerprint(graph, of_steps))

    def add(self, graph: Graph, row: Row) -> None:
        self.ledger.add(self.fingerprint(graph, row.of_steps), row)

    def fingerprint(self, graph: Graph, of_steps: bool) -> str:
        return fingerprint(graph, self.versions, digest_of_code([ROOTS[of_steps]], [graph], BUILDERS))

    def write_table(self, rows: Sequence[Row]) -> Path:
        """Write `mutants.md` and return its path."""
        outcomes = [outcome for row in rows for outcome in row.outcomes]
        found = counts(outcomes)
        head = HEAD.format(
            date=time.strftime("%Y-%m-%d"),
            versions=", ".join(f"{name} {version}" for name, version in self.versions.items()),
            share=100 * found["named"] / max(1, found["killed"]),
            **found,
            **describe_machine(),
        )
        path = self.folder / "mutants.md"
        write_bytes(path, "".join([head, *_parts(outcomes)]).encode())
        return path


def counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many mutants there are, and what became of them."""
    outcomes = list(outcomes)
    return {
        "planted": len(outcomes),
        "killed": sum(bool(one.killed_by) for one in outcomes),
        "named": sum(one.named for one in outcomes),
        "equal": sum(one.equal for one in outcomes),
        "survived": sum(one.survived for one in outcomes),
    }


def _parts(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for title in ("fault", "network"):
        groups: dict[str, list[Outcome]] = {}
        for one in outcomes:
            groups.setdefault(getattr(one, title), []).append(one)
        head = [title, *counts(()), "found by", "smallest in float64"]
        yield f"## By {title}\n\n{markdown_table(head, starmap(_cells, groups.items()))}\n"
    for title, told in (
        ("Survivors", [one for one in outcomes if one.survived]),
        ("The same function", [one for one in outcomes if one.equal]),
        ("Killed, but another place was named", [one for one in outcomes if one.killed_by and not one.named]),
    ):
        if told:
            lines = "".join(f"- {line_of(one)}\n" for one in told)
            yield f"## {title}\n\n{lines}\n"


def _cells(name: str, group: Sequence[Outcome]) -> list[str]:
    """`smallest in float64`: of the differences of logits that were found; the limit is that of `tolerances.toml`."""
    found = counts(group)
    name = f"**{name}**" if found["survived"] else name
    checks = ", ".join(sorted({one.killed_by for one in group if one.killed_by}))
    exact = [one.value for one in group if one.killed_by == "float64" and one.value is not None]
    return [name, *map(str, found.values()), checks, f"{min(exact):.1e}" if exact else "-"]


def line_of(one: Outcome) -> str:
    """A mutant in words."""
    text = f"{one.network}, {one.side}: {one.fault} at '{one.place}'"
    if one.equal:
        return f"{text}: computes the same function (both networks have the same hash of ops, weights and edges)"
    return f"**{text}: survived**" if one.survived else f"{text}: {one.killed_by}: {one.where}"
