"""Compares the implementations of one network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from netspec import Graph, draw_noise, explicit_noise
from netspec.compare import Difference, forward_difference, spread, tensor_difference
from netspec.init import Weights, stream
from netspec.probes import probe_images
from parity import locate
from parity.counting import Counts, of_layers, of_models
from parity.memory import release
from parity.runners import KerasRunner, OnnxRunner, Runner, Sides, TorchRunner, TrainingStep, native_logits, train_once
from parity.spool import Spool
from trainspec.plan import one_hot

CHECKS = ("counts", "float32", "float64", "onnx", "gradients", "statistics", "step")
FRAMEWORKS = ("torch", "keras")
IMAGES = 8


@dataclass(frozen=True)
class Comparison:
    """What is compared of a network, and at which size.

    The parameters of `network` are counted. The outputs of `in_float32`, if given, are compared under every runtime,
    and under native exports if `native`. The outputs, gradients and training step of `in_float64` are compared.
    """

    network: Graph
    in_float32: Graph | None
    in_float64: Graph
    native: bool = False


@dataclass(frozen=True)
class Result:
    """One comparison: its name, whether it passed, a figure or a word for the table, and where it failed."""

    check: str
    passed: bool
    text: str
    where: str = ""
    value: float | None = None


@dataclass(frozen=True)
class Subject:
    """A graph under comparison, with the weights, images and noise that all implementations get."""

    graph: Graph
    weights: Mapping[str, np.ndarray]
    keras_weights: Mapping[str, np.ndarray]
    feeds: dict[str, np.ndarray] = field(repr=False)

    @property
    def images(self) -> dict[str, np.ndarray]:
        return {"image": self.feeds["image"]}


def subject(
    graph: Graph,
    weights: Mapping[str, np.ndarray] | None = None,
    keras_weights: Mapping[str, np.ndarray] | None = None,
) -> Subject:
    """A subject with `IMAGES` images and the draws of `explicit_noise`. By default it has measured probe weights."""
    from onnx_impl.measure import probe

    weights = Spool(probe(graph).items()) if weights is None else weights
    feeds = {"image": probe_images(graph, IMAGES, seed=1), **draw_noise(explicit_noise(graph), IMAGES, seed=1)}
    return Subject(graph, weights, weights if keras_weights is None else keras_weights, feeds)


def frameworks(one: Subject, dtype: str, graph: Graph | None = None) -> Sides:
    """Both frameworks with the subject's weights, on its graph or on `graph`, which has the same weights."""
    return {name: framework(name, one, dtype, graph) for name in FRAMEWORKS}


def framework(name: str, one: Subject, dtype: str, graph: Graph | None = None) -> Runner:
    """One framework of `frameworks`."""
    if name == "torch":
        return TorchRunner(graph or one.graph, one.weights, dtype)
    return KerasRunner(graph or one.graph, one.keras_weights, dtype)


Done = dict[tuple[str, Graph], list[Result]]


def check(
    comparison: Comparison,
    *,
    expected: Mapping[str, int] | None = None,
    files: tuple[Weights, ...] = (),
    done: Done | None = None,
) -> Iterator[Result]:
    """Make all comparisons of a network. `expected` holds counts from elsewhere, by attribute of the graph.

    `files` are weights that replace the probe weights; a second one is for Keras. `done` holds the results of graphs
    that were compared before; the results of this one are added.
    """
    done = {} if done is None else done
    one = None
    whole = comparison.in_float32 is comparison.network
    if not whole:
        yield judge_counts(comparison.network, of_layers(comparison.network), expected or {})
    if comparison.in_float32:
        if ("float32", comparison.in_float32) not in done:
            one = subject(comparison.in_float32, *files)
            runners = frameworks(one, "float32")
            if whole:
                yield judge_counts(
                    comparison.network, of_models(runners, OnnxRunner(one.graph, one.weights)), expected or {}
                )
            done["float32", comparison.in_float32] = [float32_forward(one, runners, native=comparison.native)]
            del runners
            release()
        yield from done["float32", comparison.in_float32]
    if ("float64", comparison.in_float64) not in done:
        if one is None or one.graph is not comparison.in_float64:
            one = subject(comparison.in_float64, *files)
        done["float64", comparison.in_float64] = list(in_float64(one))
    yield from done["float64", comparison.in_float64]


def judge_counts(network: Graph, found: Counts, expected: Mapping[str, int]) -> Result:
    """Compare the spec's trainable and total with those in `found`, and up to three figures with `expected`."""
    spec = (network.num_trainable, network.num_total)
    wrong = [f"{name} has {count}, spec {spec}" for name, count in found.items() if count != spec]
    for key, value in expected.items():
        if getattr(network, key) != value:
            wrong.append(f"{key} is {getattr(network, key):,}, not {value:,}")
    return Result("counts", not wrong, f"{spec[0]:,}" + ("" if expected else " *"), "; ".join(wrong))


def float32_forward(one: Subject, runners: Sides, *, native: bool) -> Result:
    """Compare all pairs of: both frameworks, the ONNX builder with each one's weights, and both native exports."""
    outputs = {name: runner.forward(one.images) for name, runner in runners.items()}
    weights = {name: runner.weights() for name, runner in runners.items()}
    outputs["onnx(torch)"] = OnnxRunner(one.graph, weights["torch"]).forward(one.images)
    if any(not np.array_equal(weights["torch"][name], weights["keras"][name]) for name in one.weights):
        outputs["onnx(keras)"] = OnnxRunner(one.graph, weights["keras"]).forward(one.images)
    else:  # with equal weights it is the same file
        outputs["onnx(keras)"] = outputs["onnx(torch)"]
    if native:
        for name, runner in runners.items():
            outputs[f"{name}-onnx"] = native_logits(runner, one.images)
    unit = spread(outputs["torch"])
    pairs = [forward_difference(outputs[a], outputs[b], f"{a} | {b}", unit=unit) for a, b in combinations(outputs, 2)]
    worst = max(pairs, key=lambda pair: np.inf if np.isnan(pair.value) else pair.value)
    where = "" if worst.within else f"{worst}: {locate.by_values_in_float32(one.graph, runners, one.images['image'])}"
    return Result("float32", worst.within, f"{worst.value:.1e}", where, worst.value)


def in_float64(one: Subject) -> Iterator[Result]:
    """Compare outputs in evaluation, and gradients, statistics and weights of a training step with the same noise.

    Only one framework at a time holds its network, since a VGG with its gradients and its momentum takes a gigabyte.
    """
    logits = {"onnx": OnnxRunner(one.graph, one.weights).forward(one.images)}
    steps: dict[str, TrainingStep] = {}
    for name in FRAMEWORKS:
        runner = framework(name, one, "float64")
        logits[name] = runner.forward(one.images)
        steps[name] = train_once(runner, one.feeds, _targets(one.graph))
        del runner
        release()
    yield from judge_logits(one, logits)
    yield from judge_steps(one, steps)


def float64_forward(one: Subject) -> Iterator[Result]:
    """Compare only the outputs in evaluation."""
    logits = {"onnx": OnnxRunner(one.graph, one.weights).forward(one.images)}
    for name in FRAMEWORKS:
        logits[name] = framework(name, one, "float64").forward(one.images)
        release()
    yield from judge_logits(one, logits)


def judge_logits(one: Subject, logits: Mapping[str, np.ndarray]) -> Iterator[Result]:
    """Compare logits: frameworks that agree in float64 compute the same function. The ONNX builder's are float32."""
    unit = spread(logits["torch"])
    difference = tensor_difference({"logits": logits["torch"]}, {"logits": logits["keras"]})
    where = ""
    if not difference.within:
        where = locate.by_values_in_float64(one.graph, frameworks(one, "float64"), one.images, training=False)
    yield Result("float64", difference.within, f"{difference.value:.1e}", where, difference.value)
    difference = forward_difference(logits["torch"], logits["onnx"], unit=unit)
    where = ""
    if not difference.within:
        where = locate.by_values_in_float32(one.graph, frameworks(one, "float64"), one.images["image"])
    yield Result("onnx", difference.within, f"{difference.value:.1e}", where, difference.value)


def judge_steps(one: Subject, steps: Mapping[str, TrainingStep]) -> Iterator[Result]:
    """Compare one step on soft targets: gradients, batch-norm statistics, and all weights after the update."""
    graph = explicit_noise(one.graph)
    for kind in ("gradients", "statistics", "step"):
        torch, keras = (getattr(steps[name], kind) for name in ("torch", "keras"))
        if kind == "statistics" and not torch and not keras:
            yield Result(kind, True, "none")
            continue
        difference = tensor_difference(torch, keras)
        where = "" if difference.within else _in_training(one, graph, difference, kind, torch, keras)
        yield Result(kind, difference.within, f"{difference.value:.1e}", where, difference.value)


def _targets(graph: Graph) -> np.ndarray:
    classes = graph.shapes[graph.outputs[0]][0]
    return one_hot(stream(1, "labels").integers(0, classes, IMAGES), classes, smoothing=0.1)


def _in_training(one: Subject, graph: Graph, difference: Difference, kind: str, torch: Weights, keras: Weights) -> str:
    runners = frameworks(one, "float64", graph)  # as they were before the step
    where = locate.by_values_in_float64(graph, runners, one.feeds, training=True)
    return f"{difference}: {where or locate.by_tensors(graph, kind, torch, keras)}"
