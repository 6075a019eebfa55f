"""Finds the first node at which implementations differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from netspec import Graph
from netspec.compare import largest_of, limits

Values = Mapping[str, np.ndarray]  # by node


@dataclass(frozen=True)
class Divergence:
    """Where two sides differ, by how much of the values' magnitude, and which one a third side agrees with.

    `before` is the largest difference among the node's inputs. The image is the same for all sides.
    """

    node: str
    kind: str
    sides: tuple[str, str]
    value: float
    verdict: str = ""
    before: float = 0.0

    def __str__(self) -> str:
        text = f"{self.sides[0]} and {self.sides[1]} first differ at '{self.node}' ({self.kind}), by {self.value:.1e}"
        return f"{text}; {self.verdict}" if self.verdict else text


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """`max|a-b|` over the largest magnitude of `a`; infinite if shapes differ or values are not finite."""
    if a.shape != b.shape:
        return float("inf")
    value = largest_of(a - b) / max(largest_of(a), float(np.finfo(np.float32).tiny))
    return value if np.isfinite(value) else float("inf")


def divergences(graph: Graph, sides: Mapping[str, Values]) -> Iterator[Divergence]:
    """For each node that at least two of `sides` have, in the graph's order: the two that differ most, without verdict.

    `sides` hold the values of nodes by implementation. Each value is read once.
    """
    found: dict[str, float] = {}
    for node in graph:
        values = {name: side[node.name] for name, side in sides.items() if node.name in side}
        if len(values) < 2:
            continue
        value, pair = max((apart(values[a], values[b]), (a, b)) for a, b in combinations(values, 2))
        found[node.name] = value
        before = max((found.get(source, 0.0) for source in node.inputs), default=0.0)
        yield Divergence(node.name, node.op.kind, pair, value, before=before)


def first_divergence(
    graph: Graph, sides: Mapping[str, Values], limit: float, judge: Mapping[str, Values] | None = None
) -> Divergence | None:
    """The first node, in the graph's order, at which two of `sides` differ by more than `limit`.

    `sides` and `judge` hold the values of nodes by implementation. The verdict says which of the two another side, or
    the judge in float32, agrees with.
    """
    for found in divergences(graph, sides):
        if found.value > limit:
            every = {**sides, **(judge or {})}
            others = {name: side[found.node] for name, side in every.items() if found.node in side}
            return replace(found, verdict=_verdict(others, found.sides))
    return None


def _verdict(values: Values, pair: tuple[str, str]) -> str:
    """Which of the pair a third side agrees with, as far as float32 can tell."""
    for third in values.keys() - set(pair):
        agreeing = [name for name in pair if apart(values[name], values[third]) <= limits().float32_forward]
        if len(agreeing) == 1:
            return f"{third} agrees with {agreeing[0]}"
        return f"{third} cannot tell them apart" if agreeing else f"{third} agrees with neither"
    return ""
