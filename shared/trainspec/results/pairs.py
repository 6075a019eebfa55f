"""Pairs of rows that a table does not decide."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from trainspec.results.rows import Row


def undecided(rows: Sequence[Row]) -> Iterator[str]:
    """Pairs that differ in the recipe alone or in the framework alone, with 95 % intervals that overlap: a line each.

    The interval is that over runs where there are several.
    """
    for one, other in combinations(rows, 2):
        if (
            _trained(one) != _trained(other)
            or _place(one) != _place(other)
            or one.low > other.high
            or other.low > one.high
        ):
            continue
        network, data, _, _, epochs = _trained(one)
        where = f"{network}, {data}, {epochs:.4g} epochs"
        if one.framework == other.framework and _recipe(one) != _recipe(other):
            yield f"{where}, {one.framework}: {_named(one, other)} and {_named(other, one)}"
        elif one.framework != other.framework and _recipe(one) == _recipe(other):
            frameworks = " and ".join(f"{row.framework} {row.top1:.2f} %" for row in (one, other))
            yield f"{where}, {' '.join(_recipe(one))}: {frameworks}"


def _trained(row: Row) -> tuple[str, str, str, int, float]:
    """What a pair has in common: the network without its options, the data, the precision, the batch, the epochs."""
    return row.network.partition("(")[0], row.data, row.precision, row.batch, row.epochs


def _place(row: Row) -> tuple[object, ...]:
    """Where a row was measured. The frameworks name a CPU in their own ways."""
    return row.machine, row.threads, "CPU" if row.device.startswith("CPU") else row.device


def _recipe(row: Row) -> tuple[str, ...]:
    return (row.recipe, *row.changes)


def _named(row: Row, other: Row) -> str:
    """The recipe of a row with the changes that the other one does not have."""
    own = (change for change in row.changes if change not in other.changes)
    return f"{' '.join((row.recipe, *own))} {row.top1:.2f} %"
