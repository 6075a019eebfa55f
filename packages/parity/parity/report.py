"""Runs comparisons and prints a line for each network, then the worst differences and the failures."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from deploy.shell import printable, say
from diptych.errors import failure
from diptych.pool import Pool, ProcessEndedError
from netspec.init import Weights
from parity.check import CHECKS, Comparison, Done, Result, check
from parity.goldens import expected
from parity.log import Log, Row
from parity.memory import release


def run(
    comparisons: Sequence[Comparison], *, weights: Sequence[Weights] = (), keep: Path | None = None, jobs: int = 1
) -> int:
    """Compare all, `jobs` networks at a time; returns the exit status. `weights` are those of one network, see `check`.

    With `keep`, rows are stored in that folder, and rows that are already there are reused.
    """
    log = Log(keep) if keep else None
    rows = print_rows(comparisons, _rows(comparisons, weights, log, jobs), counted=bool(log))
    if log:
        say(f"table: {log.write_table(rows)}")
    return status_of(rows)


def print_rows(comparisons: Sequence[Comparison], rows: Iterable[Row], *, counted: bool = False) -> list[Row]:
    """Print each row as soon as it is there, then the worst figures and the failures."""
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    console.print(f"[bold]{'network':<30}{''.join(f'{name:>14}' for name in CHECKS)}{'copy':>12}{'seconds':>9}[/]")
    found: list[Row] = []
    for row in rows:
        found.append(row)
        position = f"  {len(found)}/{len(comparisons)}" if counted else ""
        console.print(
            f"{row.network:<30}{''.join(map(row.cell, CHECKS))}{row.reduced:>12}{row.seconds:>9.1f}{position}"
        )
    _summary(console, found)
    return found


def status_of(rows: Sequence[Row]) -> int:
    """The exit status: 0 if something was compared and nothing failed."""
    return 0 if any(row.results for row in rows) and not any(row.failures for row in rows) else 1


def _rows(comparisons: Sequence[Comparison], weights: Sequence[Weights], log: Log | None, jobs: int) -> Iterator[Row]:
    """The stored rows, then the rows of all other networks, which are compared and stored.

    Networks that reduce to the same graph come one after the other.
    """
    groups: dict[int, list[Comparison]] = {}
    for comparison in comparisons:
        if log and (row := log.find(comparison)):
            yield row
        else:
            groups.setdefault(id(comparison.in_float64), []).append(comparison)
    keep = log.folder if log else None
    yield from _compared(groups.values(), partial(_compare_group, weights=tuple(weights), keep=keep), jobs)


def _compared(
    groups: Iterable[list[Comparison]], compare: Callable[[list[Comparison]], Iterable[Row]], jobs: int
) -> Iterator[Row]:
    """The rows of each group, in this process or in `jobs` others."""
    if jobs == 1:
        yield from chain.from_iterable(map(compare, groups))
        return
    with Pool(partial(_listed, compare), jobs) as pool:
        for group, done in pool.each(groups):
            try:
                yield from done.result()
            except ProcessEndedError as error:
                yield from (
                    Row.of(comparison, [Result("compared", False, "-", str(error))], 0.0) for comparison in group
                )


def _listed(compare: Callable[[list[Comparison]], Iterable[Row]], group: list[Comparison]) -> list[Row]:
    """A list for other processes, since a generator cannot be sent between them."""
    return list(compare(group))


def _compare_group(comparisons: Sequence[Comparison], weights: tuple[Weights, ...], keep: Path | None) -> Iterator[Row]:
    """Rows of networks that reduce to the same graph. Each row is stored in `keep` as soon as it is made."""
    log = Log(keep) if keep else None
    done: Done = {}
    for comparison in comparisons:
        row = _compare(comparison, weights, done)
        if log:
            log.add(comparison, row)
        yield row


def _compare(comparison: Comparison, weights: tuple[Weights, ...], done: Done) -> Row:
    """Make all comparisons of a network. An error becomes a failure; with the user's weights it is raised."""
    begin = time.perf_counter()
    results: list[Result] = []

    def compare() -> None:
        results.extend(check(comparison, expected=expected(comparison.network.name), files=weights, done=done))

    if weights:
        compare()
    elif reason := failure(compare):
        results.append(Result("compared", False, "-", reason))
    release()
    return Row.of(comparison, results, time.perf_counter() - begin)


def _shown(text: str) -> str:
    """Text for a console that reads markup. It may hold names of files."""
    from rich.markup import escape

    return escape(printable(text))


def _summary(console: Any, rows: Sequence[Row]) -> None:
    worst: dict[str, tuple[float, str]] = {}
    for row in rows:
        for result in row.results:
            if result.value is not None and result.value > worst.get(result.check, (-1.0, ""))[0]:
                worst[result.check] = (result.value, row.network)
    console.print("\n*: there is no count by other people's code.   -: left out, see --help")
    for name, (value, network) in worst.items():
        console.print(f"worst {name}: {value:.1e} in {network}")
    failures = [(row.network, result) for row in rows for result in row.failures]
    for network, result in failures:
        console.print(f"[bold red]FAILED[/] {network}: {_shown(f'{result.check}: {result.where}')}")
    compared = sum(len(row.results) for row in rows)
    console.print(f"{compared} comparisons of {len(rows)} networks, {len(failures)} failed")
