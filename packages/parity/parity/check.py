"""Holds one network's implementations to one another."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from netspec import Graph, draw_noise, explicit_noise
from netspec.compare import Difference, forward_difference, limits, spread, tensor_difference, tensor_differences
from netspec.init import Weights, stream
from parity.divergence import first_divergence
from parity.runners import KerasRunner, OnnxRunner, Runner, TorchRunner, native_logits

IMAGES = 8


@dataclass(frozen=True)
class Result:
    """One comparison: its name, whether it holds, a figure or a word for the table, and where it failed."""

    check: str
    passed: bool
    text: str
    where: str = ""
    value: float | None = None


@dataclass(frozen=True)
class Subject:
    """A network under comparison: one draw of weights, images and noise for all."""

    graph: Graph
    weights: Weights
    keras_weights: Weights
    feeds: dict[str, np.ndarray] = field(repr=False)

    @property
    def images(self) -> dict[str, np.ndarray]:
        return {"image": self.feeds["image"]}


def subject(graph: Graph, weights: Weights | None = None, keras_weights: Weights | None = None) -> Subject:
    """Probe weights with measured statistics, unless given; `IMAGES` images; the draws of `explicit_noise`."""
    from onnx_impl.measure import probe
    from onnx_impl.verify import random_images

    weights = probe(graph) if weights is None else weights
    feeds = {"image": random_images(graph, IMAGES, seed=1), **draw_noise(explicit_noise(graph), IMAGES, seed=1)}
    return Subject(graph, weights, weights if keras_weights is None else keras_weights, feeds)


def check(
    one: Subject, *, gradients: bool = True, native: bool = True, expected: dict[str, int] | None = None
) -> Iterator[Result]:
    """All comparisons of a network, cheapest first. `expected` holds counts from elsewhere, by spec attribute."""
    makers: dict[str, Callable[[str], Runner]] = {
        "torch": lambda dtype: TorchRunner(one.graph, one.weights, dtype),
        "keras": lambda dtype: KerasRunner(one.graph, one.keras_weights, dtype),
    }
    runners = {name: make("float32") for name, make in makers.items()}
    onnx = OnnxRunner(one.graph, runners["torch"].weights())
    yield counts(one, runners, onnx, expected or {})
    yield float32_forward(one, runners, onnx, native)
    del runners, onnx
    gc.collect()  # a module and a model are full of cycles, and a VGG is a gigabyte
    runners = {name: make("float64") for name, make in makers.items()}
    yield float64_forward(one, runners)
    del runners
    gc.collect()
    if gradients:
        yield from training_pass(one)
        gc.collect()


def counts(one: Subject, runners: dict[str, Runner], onnx: OnnxRunner, expected: dict[str, int]) -> Result:
    """Trainable and total in the spec, the frameworks and the initializers; all three figures in `expected`."""
    spec = (one.graph.num_trainable, one.graph.num_total)
    found = {"spec": spec, **{name: runner.num_params() for name, runner in runners.items()}}
    found["onnx"] = onnx.num_params()
    wrong = [f"{name} has {count}, spec {spec}" for name, count in found.items() if count != spec]
    for key, value in expected.items():
        if getattr(one.graph, key) != value:
            wrong.append(f"{key} is {getattr(one.graph, key):,}, not {value:,}")
    return Result("counts", not wrong, f"{spec[0]:,}" + ("" if expected else " *"), "; ".join(wrong))


def float32_forward(one: Subject, runners: dict[str, Runner], onnx: OnnxRunner, native: bool) -> Result:
    """All pairs of: both frameworks, the ONNX builder with each one's weights, and both native exports."""
    outputs = {name: runner.forward(one.images) for name, runner in runners.items()}
    outputs["onnx(torch)"] = onnx.forward(one.images)
    weights = runners["keras"].weights()
    if any(not np.array_equal(weights[name], onnx.given[name]) for name in weights):  # else it is the same file
        outputs["onnx(keras)"] = OnnxRunner(one.graph, weights).forward(one.images)
    else:
        outputs["onnx(keras)"] = outputs["onnx(torch)"]
    if native:
        for name, runner in runners.items():
            outputs[f"{name}-onnx"] = native_logits(runner, one.images)
    unit = spread(outputs["torch"])
    pairs = [forward_difference(outputs[a], outputs[b], f"{a} | {b}", unit=unit) for a, b in combinations(outputs, 2)]
    worst = max(pairs, key=lambda pair: np.inf if np.isnan(pair.value) else pair.value)
    where = "" if worst.within else _locate_float32(one, runners, worst)
    return Result("float32", worst.within, f"{worst.value:.1e}", where, worst.value)


def _locate_float32(one: Subject, runners: dict[str, Runner], worst: Difference) -> str:
    sides = {name: runner.values(one.images) for name, runner in runners.items()}
    onnx = OnnxRunner(one.graph, one.weights).values(one.images)
    for pair in ({"torch": sides["torch"], "onnx": onnx}, {"keras": sides["keras"], "onnx": onnx}):
        judge = sides["keras" if "torch" in pair else "torch"]
        found = first_divergence(one.graph, pair, limits().float32_forward)
        if found:
            names = [n for n in ("torch", "keras") if n not in found.sides]
            third = _side(judge[found.node], pair, found.node) if names else ""
            return f"{worst}: {found}{f'; {names[0]} sides with {third}' if third else ''}"
    return f"{worst}: the builders agree node by node, so a native export differs"


def _side(value: np.ndarray, pair: dict[str, Weights], node: str) -> str:
    from parity.divergence import apart

    return min(pair, key=lambda name: apart(pair[name][node], value))


def float64_forward(one: Subject, runners: dict[str, Runner]) -> Result:
    """Both frameworks' logits in float64: agreement there proves the same function."""
    outputs = {name: runner.forward(one.images) for name, runner in runners.items()}
    spread(outputs["torch"])
    difference = tensor_difference({"logits": outputs["torch"]}, {"logits": outputs["keras"]})
    where = "" if difference.within else _locate_float64(one.graph, one, runners, one.images, training=False)
    return Result("float64", difference.within, f"{difference.value:.1e}", where, difference.value)


def _locate_float64(graph: Graph, one: Subject, runners: dict[str, Runner], feeds: Any, training: bool) -> str:
    sides = {name: runner.values(feeds, training=training) for name, runner in runners.items()}
    judge = None if training else OnnxRunner(one.graph, one.weights).values(feeds)
    found = first_divergence(graph, sides, limits().float64, judge)
    return str(found) if found else ""


def training_pass(one: Subject) -> Iterator[Result]:
    """Gradients and batch-norm statistics in float64, with batch statistics and the same noise."""
    graph = explicit_noise(one.graph)
    runners: dict[str, Runner] = {
        "torch": TorchRunner(graph, one.weights, "float64"),
        "keras": KerasRunner(graph, one.keras_weights, "float64"),
    }
    classes = graph.shapes[graph.outputs[0]][0]
    direction = stream(1, "direction").standard_normal((IMAGES, classes))
    passes = {name: runner.train_once(one.feeds, direction) for name, runner in runners.items()}
    for kind in ("gradients", "statistics"):
        torch, keras = (getattr(passes[name], kind) for name in ("torch", "keras"))
        if kind == "statistics" and not torch and not keras:
            yield Result(kind, True, "none")
            continue
        difference = tensor_difference(torch, keras)
        where = ""
        if not difference.within:
            where = _locate_float64(graph, one, runners, one.feeds, training=True) or _locate_tensor(
                graph, kind, torch, keras
            )
            where = f"{difference}: {where}"
        yield Result(kind, difference.within, f"{difference.value:.1e}", where, difference.value)


def _locate_tensor(graph: Graph, kind: str, torch: Weights, keras: Weights) -> str:
    """Where a difference begins that no node's value shows: statistics follow the graph, gradients run against it."""
    values = tensor_differences(torch, keras)
    apart = [name for name in graph.params if name in values and not values[name] <= limits().float64]
    first = apart[0 if kind == "statistics" else -1]
    return f"all values agree; torch and keras first part in '{first}', at node '{first.rpartition('.')[0]}'"
