"""A run of comparisons as a person follows it: a line a network, then what was worst and what failed."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from netspec.errors import DiptychError
from netspec.weights import load_weights
from parity.check import CHECKS, Plan, Result, check
from parity.goldens import expected
from parity.log import Log, Row
from parity.memory import release


def run(plans: Sequence[Plan], *, weights: Sequence[str] = (), keep: Path | None = None) -> int:
    """Compare all; returns the exit status. With `keep` the rows are kept in that folder, and taken from there."""
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    log = Log(keep) if keep else None
    console.print(f"[bold]{'network':<30}{''.join(f'{name:>14}' for name in CHECKS)}{'seconds':>9}[/]")
    done: dict[Any, list[Result]] = {}
    rows: list[Row] = []
    for i, plan in enumerate(plans):
        row = log.find(plan) if log else None
        if row is None:
            row = _compare(plan, weights, done)
            if log:
                log.add(plan, row)
        rows.append(row)
        position = f"  {i + 1}/{len(plans)}" if log else ""
        console.print(f"{row.network:<30}{''.join(map(row.cell, CHECKS))}{row.seconds:>9.1f}{position}")
    status = _summary(console, rows)
    if log:
        console.print(f"table: {log.write_table(rows)}")
    return status


def _compare(plan: Plan, weights: Sequence[str], done: dict[Any, list[Result]]) -> Row:
    """All comparisons of a network; one that cannot be made is a failure, unless the weights are a person's."""
    begin = time.perf_counter()
    results: list[Result] = []
    files = tuple(load_weights(plan.network, path) for path in weights)
    try:
        results.extend(check(plan, expected=expected(plan.network.name), files=files, done=done))
    except DiptychError as error:
        if weights:
            raise
        results.append(Result("compared", False, "-", str(error)))
    _forget()
    return Row.of(plan, results, time.perf_counter() - begin)


def _forget() -> None:
    """Keras remembers every model that it made."""
    import keras

    keras.backend.clear_session()
    release()


def _summary(console: Any, rows: Sequence[Row]) -> int:
    worst: dict[str, tuple[float, str]] = {}
    for row in rows:
        for result in row.results:
            if result.value is not None and result.value > worst.get(result.check, (-1.0, ""))[0]:
                worst[result.check] = (result.value, row.network)
    console.print("\n* no count from elsewhere to hold it to.   -: left out, see --help")
    for name, (value, network) in worst.items():
        console.print(f"worst {name}: {value:.1e} in {network}")
    failures = [(row.network, result) for row in rows for result in row.results if not result.passed]
    for network, result in failures:
        console.print(f"[bold red]FAILED[/] {network}: {result.check}: {result.where}")
    compared = sum(len(row.results) for row in rows)
    console.print(f"{compared} comparisons of {len(rows)} networks, {len(failures)} failed")
    return 1 if failures or not compared else 0
