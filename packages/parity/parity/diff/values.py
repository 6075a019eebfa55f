"""Runs both sides on the same images, and finds the first node at which they part."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diptych.errors import ParityError
from netspec import Graph
from netspec.compare import forward_difference, limits
from netspec.init import Weights
from netspec.probes import probe_images
from onnx_impl.measure import probe
from parity.diff.sides import Side
from parity.divergence import Divergence, Values, apart, divergences
from parity.locate import IMAGES, MEMORY
from parity.memory import release
from parity.runners import KerasRunner, Runner, TorchRunner
from parity.spool import Spool

SEED = 1  # of the images, as in `parity.check`


@dataclass(frozen=True)
class ValueFindings:
    """How far apart the values are. `nodes` has a divergence for each node that both have, in the order of A.

    `limit` is what nodes are held to, relative to a node's largest magnitude. `first` is the first node beyond it.
    `logits` is the difference of the logits, held to `limit` too: relative to their spread between images in float32,
    to their magnitude in float64. It is None if they cannot be compared; `reason` then says why. `weights` says in
    words whose weights were used, `precision` is float64 or float32.
    """

    precision: str = ""
    images: int = 0
    weights: str = ""
    limit: float = 0.0
    nodes: tuple[Divergence, ...] = ()
    first: Divergence | None = None
    logits: float | None = None
    reason: str = ""

    @property
    def differs(self) -> bool:
        return self.first is not None or (self.logits is not None and not self.logits <= self.limit)


@dataclass(frozen=True, eq=False)
class Pass:
    """What a side computes: every node's value for the first images, and the logits for all."""

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
    count = limits().least_images if float32 else IMAGES
    graph = a.graph or b.graph
    images = _images(a.input_shape, count)
    kept = min(_kept(side.graph) for side in (a, b))
    precision, limit = ("float32", limits().float32_forward) if float32 else ("float64", limits().float64)
    passes = {}
    for name, side in (("A", a), ("B", b)):
        passes[name] = _run(side, weights[name], precision, images, kept)
        release()
    nodes: tuple[Divergence, ...] = ()
    if kept and a.graph is not None and graph is not None:
        nodes = tuple(divergences(a.graph, {name: side.values for name, side in passes.items()}))
    logits, reason = _logits(passes["A"].logits, passes["B"].logits, float32=float32)
    first = next((found for found in nodes if not found.value <= limit), None)
    return ValueFindings(precision, count, words, limit, nodes, first, logits, reason)


def choose_weights(a: Side, b: Side) -> tuple[dict[str, Weights] | None, str]:
    """The weights that each side runs with, and whose they are in words; None if no choice would prove anything."""
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
    if not fitting and every and has.weights is not None:
        return None, f"no weight of {one} fits {other}"
    if len(fitting) < every:
        whose += f" in both; of the {every} tensors of {other}, {len(fitting)} are those of {one}"
        whose += "" if has.weights is None else " and the rest probe weights"
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


def _run(side: Side, weights: Mapping[str, np.ndarray], precision: str, images: np.ndarray, kept: int) -> Pass:
    if side.file is not None:
        return Pass(side.file.values(images[:kept]) if kept else {}, side.file.logits(images))
    runner = runner_of(side, weights, precision)
    values: Values = Spool(runner.values({"image": images[:kept]}).items()) if kept else {}
    whole = kept == len(images)
    return Pass(values, values[_graph(side).outputs[0]] if whole else runner.forward({"image": images}))


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
