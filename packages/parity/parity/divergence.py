"""Finds the first node at which implementations differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from netspec import Graph
from netspec.compare import limits
from netspec.init import Weights


@dataclass(frozen=True)
class Divergence:
    """Where two sides differ, by how much of the values' magnitude, and which one a third side agrees with."""

    node: str
    kind: str
    sides: tuple[str, str]
    value: float
    verdict: str = ""

    def __str__(self) -> str:
        text = f"{self.sides[0]} and {self.sides[1]} first differ at '{self.node}' ({self.kind}), by {self.value:.1e}"
        return f"{text}; {self.verdict}" if self.verdict else text


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """`max|a-b|` over the largest magnitude of `a`; infinite if shapes differ or values are not finite."""
    if a.shape != b.shape:
        return float("inf")
    magnitude = max(float(np.abs(a).max(initial=0)), float(np.finfo(np.float32).tiny))
    value = float(np.abs(a - b).max(initial=0)) / magnitude
    return value if np.isfinite(value) else float("inf")


def first_divergence(
    graph: Graph, sides: Mapping[str, Weights], limit: float, judge: Mapping[str, Weights] | None = None
) -> Divergence | None:
    """The first node, in the graph's order, at which two of `sides` differ by more than `limit`.

    `sides` and `judge` hold the values of nodes by implementation. The verdict says which of the two another side, or
    the judge in float32, agrees with.
    """
    for node in graph:
        values = {name: side[node.name] for name, side in sides.items() if node.name in side}
        if len(values) < 2:
            continue
        value, pair = max((apart(values[a], values[b]), (a, b)) for a, b in combinations(values, 2))
        if value > limit:
            others = values | {name: side[node.name] for name, side in (judge or {}).items() if node.name in side}
            return Divergence(node.name, node.op.kind, pair, value, _verdict(others, pair))
    return None


def _verdict(values: Weights, pair: tuple[str, str]) -> str:
    """Which of the pair a third side agrees with, as far as float32 can tell."""
    for third in values.keys() - set(pair):
        agreeing = [name for name in pair if apart(values[name], values[third]) <= limits().float32_forward]
        if len(agreeing) == 1:
            return f"{third} agrees with {agreeing[0]}"
        return f"{third} cannot tell them apart" if agreeing else f"{third} agrees with neither"
    return ""
