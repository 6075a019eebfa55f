"""Runs both sides on the same images, and finds the first node at which they part."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from diptych.errors import ParityError
from netspec import Graph
from netspec.compare import forward_difference, limits
from netspec.init import Weights
from netspec.probes import probe_images
from parity.diff.sides import Side
from parity.divergence import Divergence, Values, apart, divergences
from parity.locate import MEMORY
from parity.memory import release
from parity.runners import KerasRunner, Runner, TorchRunner
from parity.spool import Spool

IMAGES = 2  # every node's value is kept for each of them
SEED = 1  # of the images, as in `parity.check`


@dataclass(frozen=True)
class ValueFindings:
    """How far apart the values are. `nodes` has a divergence for each node that both have, in the order of A.

    The logits are of `images` images, the values of nodes of `kept` of them: none if they would take too much memory.
    `limit` is what nodes are held to, relative to a node's largest magnitude. `first` is the first node beyond it.
    `logits` is the difference of the logits, held to `limit` too: relative to their spread between images in float32,
    to their magnitude in float64. It is None if they cannot be compared; `reason` then says why. `weights` says in
    words whose weights were used, `precision` is float64 or float32. `alone` has the findings with the weights of A in
    both, where something beside the weights could make a difference.
    """

    precision: str = ""
    images: int = 0
    kept: int = 0
    weights: str = ""
    limit: float = 0.0
    nodes: tuple[Divergence, ...] = ()
    first: Divergence | None = None
    logits: float | None = None
    reason: str = ""
    alone: "ValueFindings | None" = None

    @property
    def differs(self) -> bool:
        return self.first is not None or (self.logits is not None and not self.logits <= self.limit)


@dataclass(frozen=True, eq=False)
class Pass:
    """What a side computes: every node's value for the first `kept` images, and the logits for all."""

    kept: int
    values: Values
    logits: np.ndarray


def compare_values(a: Side, b: Side) -> ValueFindings:
    """Run both: in float64 in the frameworks, or in float32 if one of them is an ONNX file.

    A side without weights has the other's where these fit, and probe weights where they do not.
    """
    if a.input_shape != b.input_shape:
        return ValueFindings(reason="their images have different shapes")
    weights, words = choose_weights(a, b)
    if weights is None:
        return ValueFindings(reason=words)
    float32 = any(side.file is not None for side in (a, b))
    images = _images(a.input_shape, limits().least_images if float32 else IMAGES)
    kept = min(_kept(side.graph) for side in (a, b))
    one, other = (_run(side, weights[name], images, kept, float32) for name, side in (("A", a), ("B", b)))
    found = _judged(a.graph, one, other, float32, words)
    if found.first is None or not _has_other_causes(a, b):
        return found
    again = _run(b, weights["A"], images, kept, float32)
    return replace(found, alone=_judged(a.graph, one, again, float32, "the weights of A"))


def _has_other_causes(a: Side, b: Side) -> bool:
    """Whether the weights differ, and fit both sides, and something else differs too: the framework or the graph."""
    if a.weights is None or b.weights is None or a.graph is None or b.graph is None or b.file is not None:
        return False
    if a.graph.params != b.graph.params or all(np.array_equal(a.weights[name], b.weights[name]) for name in a.weights):
        return False
    return a.framework != b.framework or a.graph != b.graph


def _judged(graph: Graph | None, a: Pass, b: Pass, float32: bool, words: str) -> ValueFindings:
    """What two passes have shown. `graph` is that of A."""
    precision, limit = ("float32", limits().float32_forward) if float32 else ("float64", limits().float64)
    nodes = tuple(divergences(graph, {"A": a.values, "B": b.values})) if graph is not None else ()
    first = next((found for found in nodes if not found.value <= limit), None)
    logits, reason = _logits(a.logits, b.logits, float32=float32)
    return ValueFindings(precision, len(a.logits), a.kept, words, limit, nodes, first, logits, reason)


def choose_weights(a: Side, b: Side) -> tuple[dict[str, Weights] | None, str]:
    """The weights that each side runs with, and where they come from in words. None if no choice proves anything."""
    from onnx_impl.measure import probe

    if a.weights is not None and b.weights is not None:
        return {"A": a.weights, "B": b.weights}, "each with its own weights"
    (one, has), (other, lacks) = (("A", a), ("B", b)) if a.weights is not None else (("B", b), ("A", a))
    if has.weights is None:  # neither
        (one, has), (other, lacks) = ("A", a), ("B", b)
    assert lacks.graph is not None
    given = has.weights if has.weights is not None else probe(_graph(has))
    whose = f"the weights of {one}" if has.weights is not None else "probe weights"
    fitting = {
        name: given[name]
        for name, param in lacks.graph.params.items()
        if name in given and given[name].shape == param.shape
    }
    every = len(lacks.graph.params)
    if has.weights is not None and len(fitting) < every and (has.graph is None or not fitting):
        return None, f"only {len(fitting)} of the {every} tensors of {other} are in {one}"
    if len(fitting) < every:
        whose += f"; {len(fitting)} of the {every} tensors of {other} are those of {one}"
        whose += ", the rest probe weights" if has.weights is not None else ""
        fitting = {**probe(lacks.graph), **fitting}
    return {one: given, other: fitting}, whose


def _graph(side: Side) -> Graph:
    assert side.graph is not None  # only an ONNX file has none, and it has weights
    return side.graph


def _images(shape: tuple[int, ...], count: int) -> np.ndarray:
    """The probe images of any network with this input."""
    from netspec import functional as f, trace

    return probe_images(trace("images", shape, f.flatten), count, seed=SEED)


def _kept(graph: Graph | None) -> int:
    """For how many images the values of every node fit into memory."""
    if graph is None:
        return 0
    bytes_of_one = 8 * sum(math.prod(shape) for shape in graph.shapes.values())
    return min(IMAGES, MEMORY // bytes_of_one)


def _run(side: Side, weights: Mapping[str, np.ndarray], images: np.ndarray, kept: int, float32: bool) -> Pass:
    """Run a side: the values of `kept` images, which wait in a file, and the logits of all."""
    if side.file is not None:
        return Pass(kept, side.file.values(images[:kept]) if kept else {}, side.file.logits(images))
    runner = runner_of(side, weights, "float32" if float32 else "float64")
    values: Values = Spool(runner.values({"image": images[:kept]}).items()) if kept else {}
    whole = kept == len(images)
    logits = values[_graph(side).outputs[0]] if whole else runner.forward({"image": images})
    del runner
    release()
    return Pass(kept, values, logits)


def runner_of(side: Side, weights: Mapping[str, np.ndarray], precision: str) -> Runner:
    """The framework of a side: the one that trained a run, PyTorch for everything else."""
    kind = KerasRunner if side.framework == "keras" else TorchRunner
    return kind(_graph(side), weights, precision)


def _logits(a: np.ndarray, b: np.ndarray, *, float32: bool) -> tuple[float | None, str]:
    if a.shape != b.shape:
        return None, f"A has {a.shape[-1]} logits and B {b.shape[-1]}"
    if float32:
        try:
            return forward_difference(a, b).value, ""
        except ParityError as error:
            return None, str(error)
    return apart(a, b), ""
