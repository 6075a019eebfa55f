"""The first node at which two implementations part."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netspec import Graph
from netspec.compare import limits


@dataclass(frozen=True)
class Divergence:
    """Where two sides part, by how much of the values' magnitude, and what a third says."""

    node: str
    kind: str
    sides: tuple[str, str]
    value: float
    verdict: str = ""

    def __str__(self) -> str:
        text = f"{self.sides[0]} and {self.sides[1]} first part at '{self.node}' ({self.kind}), by {self.value:.1e}"
        return f"{text}; {self.verdict}" if self.verdict else text


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """`max|a-b|` over the largest magnitude of `a`; infinite for other shapes and for what is not a number."""
    if a.shape != b.shape:
        return float("inf")
    magnitude = max(float(np.abs(a).max(initial=0)), float(np.finfo(np.float32).tiny))
    value = float(np.abs(a - b).max(initial=0)) / magnitude
    return value if np.isfinite(value) else float("inf")


def first_divergence(
    graph: Graph,
    sides: Mapping[str, Mapping[str, np.ndarray]],
    limit: float,
    judge: Mapping[str, np.ndarray] | None = None,
) -> Divergence | None:
    """The first node, in the graph's order, whose values differ by more than `limit`.

    `sides` holds two mappings from node to value. `judge`, a third implementation in float32, says whom it
    sides with.
    """
    (left, a), (right, b) = sides.items()
    for node in graph:
        if node.name not in a or node.name not in b:
            continue
        value = apart(a[node.name], b[node.name])
        if value > limit:
            verdict = _verdict(node.name, sides, judge) if judge else ""
            return Divergence(node.name, node.op.kind, (left, right), value, verdict)
    return None


def _verdict(node: str, sides: Mapping[str, Mapping[str, np.ndarray]], judge: Mapping[str, np.ndarray]) -> str:
    agreeing = [name for name, values in sides.items() if apart(values[node], judge[node]) <= limits().float32_forward]
    return (
        f"onnx sides with {agreeing[0]}"
        if len(agreeing) == 1
        else "onnx cannot tell them apart"
        if agreeing
        else "onnx agrees with neither"
    )
