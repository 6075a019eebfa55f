"""Tests the proof on networks, and prints a line for each."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from deploy.shell import say
from netspec import Graph
from netspec.reduce import reduced
from parity.memory import release
from parity.mutants.judging import Judge
from parity.mutants.record import Record, Row, counts, line_of
from parity.mutants.steps import step_outcomes

KINDS = {False: "graph and weights", True: "a training step"}
STEPS_OF = "resnet20"  # with all networks, a training step is tested in this one


def try_networks(names: Sequence[str], *, keep: Path | None = None) -> int:
    """Plant mutants of graphs, weights and steps in the reduced copies of `names`; returns the exit status.

    With `keep`, only `STEPS_OF` is trained; rows are stored in that folder, rows that are there are reused, and a table
    is written.
    """
    record = Record(keep) if keep else None
    rows = print_mutants(_rows(names, record))
    if record:
        say(f"table: {record.write_table(rows)}")
    return 0 if rows and all(row.sound for row in rows) else 1


def print_mutants(rows: Iterable[Row]) -> list[Row]:
    """Print each row as soon as it is there, with what was not found, or not named."""
    say(f"{'network':<24}{'mutants of':<22}{''.join(f'{title:>10}' for title in counts(()))}{'seconds':>10}")
    printed = []
    for row in rows:
        printed.append(row)
        found = "".join(f"{count:>10}" for count in counts(row.outcomes).values())
        say(f"{row.network:<24}{KINDS[row.of_steps]:<22}{found}{row.seconds:>10.0f}")
        for outcome in row.outcomes:
            if not outcome.named:
                say(f"  {line_of(outcome)}")
    return printed


def _rows(names: Sequence[str], record: Record | None) -> Iterator[Row]:
    for name in names:
        graph = reduced(name)
        for of_steps, attempt in ((False, try_graph), (True, try_steps)):
            if of_steps and record and name != STEPS_OF:
                continue
            row = record.find(graph, of_steps) if record else None
            if row is None:
                row = attempt(graph)
                if record:
                    record.add(graph, row)
            yield row


def try_graph(graph: Graph) -> Row:
    """Plant the mutants of a graph and its weights."""
    begin = time.monotonic()
    judge = Judge(graph)
    outcomes = []
    for planted in judge.planted():
        outcomes.append(judge.outcome(planted))
        release()
    return Row(graph.name, False, tuple(outcomes), round(time.monotonic() - begin, 1))


def try_steps(graph: Graph) -> Row:
    """Plant the mutants of a training step."""
    begin = time.monotonic()
    outcomes = tuple(step_outcomes(graph))
    return Row(graph.name, True, outcomes, round(time.monotonic() - begin, 1))
