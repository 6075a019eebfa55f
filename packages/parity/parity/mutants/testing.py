"""Tests the proof on networks, and prints a line for each."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from deploy.shell import say
from netspec import Graph, initial_weights
from netspec.reduce import reduced
from parity.lightest import by_weight, one_of_each_family
from parity.memory import release
from parity.mutants.judging import Judge
from parity.mutants.places import FAULTS, mutants_of
from parity.mutants.record import Record, Row, counts, line_of
from parity.mutants.steps import step_outcomes

KINDS = {False: "graph and weights", True: "a training step"}
STEPS_OF = "resnet20"  # with all networks, a training step is tested in this one
MOST = 3  # with all networks, mutants of one fault in one network
NAMED = 0.95  # the least share of the killed mutants with the right node or stage named


def networks() -> list[str]:
    """The lightest network of each family, and the lightest one for each fault that has no place in those."""
    found = list(one_of_each_family().values())
    open_faults = set(FAULTS).difference(*map(_faults_of, found))
    for name in by_weight():
        if open_faults and (here := open_faults & _faults_of(name)):
            found.append(name)
            open_faults -= here
    return found


def _faults_of(name: str) -> set[str]:
    graph = reduced(name)
    return set(mutants_of(graph, initial_weights(graph)))


def try_networks(names: Sequence[str], *, keep: Path | None = None) -> int:
    """Plant mutants of graphs, weights and steps in the reduced copies of `names`; returns the exit status.

    With `keep`, at most `MOST` mutants of one fault are planted in one network, and only `STEPS_OF` is trained; rows
    are stored in that folder, rows that are there are reused, and a table is written.
    """
    record = Record(keep) if keep else None
    rows = print_mutants(_rows(names, record), all_lines=record is None)
    if record:
        say(f"table: {record.write_table(rows)}")
    return 0 if proved(rows) else 1


def proved(rows: Sequence[Row]) -> bool:
    """Whether no mutant survived, and enough of those that were killed were named right."""
    found = counts(outcome for row in rows for outcome in row.outcomes)
    return bool(rows) and all(row.sound for row in rows) and found["named"] >= NAMED * found["killed"]


def print_mutants(rows: Iterable[Row], *, all_lines: bool = False) -> list[Row]:
    """Print each row as soon as it is there, with a line for each mutant, or for those that were not named."""
    say(f"{'network':<24}{'mutants of':<22}{''.join(f'{title:>10}' for title in counts(()))}{'seconds':>10}")
    printed = []
    for row in rows:
        printed.append(row)
        found = "".join(f"{count:>10}" for count in counts(row.outcomes).values())
        say(f"{row.network:<24}{KINDS[row.of_steps]:<22}{found}{row.seconds:>10.0f}")
        for outcome in row.outcomes:
            if all_lines or not outcome.named:
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
                row = attempt(graph, most=MOST if record else None)
                if record:
                    record.add(graph, row)
            yield row


def try_graph(graph: Graph, *, most: int | None = None) -> Row:
    """Plant the mutants of a graph and its weights, at most `most` of each fault."""
    begin = time.monotonic()
    judge = Judge(graph)
    outcomes = []
    for planted in judge.planted(most):
        outcomes.append(judge.outcome(planted))
        release()
    return Row(graph.name, False, tuple(outcomes), round(time.monotonic() - begin, 1))


def try_steps(graph: Graph, *, most: int | None = None) -> Row:
    """Plant the mutants of a training step: each fault once in each framework."""
    begin = time.monotonic()
    outcomes = tuple(step_outcomes(graph))
    return Row(graph.name, True, outcomes, round(time.monotonic() - begin, 1))
