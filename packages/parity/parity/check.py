"""Compares the implementations of one network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from netspec import Graph, explicit_noise
from netspec.compare import Difference, forward_difference, spread, tensor_difference
from netspec.init import Weights, stream
from parity import locate
from parity.counting import Counts, of_layers, of_models
from parity.frameworks import FRAMEWORKS
from parity.memory import release
from parity.runners import OnnxRunner, Runner, Sides, TrainingStep, native_logits, train_once
from parity.subject import IMAGES, Subject, subject
from trainspec.certificate import CHECKS as CHECKS
from trainspec.plan import one_hot


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
    """One comparison: its name, whether it passed, a figure or a word for the table, where it failed, the limit."""

    check: str
    passed: bool
    text: str
    where: str = ""
    value: float | None = None
    limit: float | None = None

    @classmethod
    def of(cls, check: str, difference: Difference, where: str) -> "Result":
        return cls(check, difference.within, f"{difference.value:.1e}", where, difference.value, difference.limit)


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
            runners = one.frameworks("float32")
            if whole:
                yield judge_counts(comparison.network, of_models(runners, one.onnx()), expected or {})
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
    difference = max(pairs, key=lambda pair: np.inf if np.isnan(pair.value) else pair.value)
    where = "" if difference.within else f"{difference}: {locate.by_values_in_float32(one, runners)}"
    return Result.of("float32", difference, where)


def in_float64(one: Subject) -> Iterator[Result]:
    """Compare outputs in evaluation, and gradients, statistics and weights of a training step with the same noise.

    Only one framework at a time holds its network, since a VGG with its gradients and its momentum takes a gigabyte.
    """
    logits = {"onnx": one.logits("onnx", one.onnx())}
    steps: dict[str, TrainingStep] = {}
    for name in FRAMEWORKS:
        logits[name], steps[name] = side_in_float64(one, name)
    yield from judge_logits(one, logits)
    yield from judge_steps(one, steps)


def side_in_float64(one: Subject, name: str) -> tuple[np.ndarray, TrainingStep]:
    """The logits and a training step of one framework."""
    runner = one.framework(name, "float64")
    found = one.logits(name, runner), training_step(one, runner)
    del runner
    release()
    return found


def training_step(one: Subject, runner: Runner) -> TrainingStep:
    """A step of the network in `runner` with the subject's images, draws and targets."""
    return train_once(runner, one.feeds, _targets(one.graph))


def float64_forward(one: Subject) -> Iterator[Result]:
    """Compare only the outputs in evaluation."""
    logits = {"onnx": one.logits("onnx", one.onnx())}
    for name in FRAMEWORKS:
        logits[name] = one.logits(name, one.framework(name, "float64"))
        release()
    yield from judge_logits(one, logits)


def judge_logits(one: Subject, logits: Mapping[str, np.ndarray]) -> Iterator[Result]:
    """Compare logits: frameworks that agree in float64 compute the same function. The ONNX builder's are float32."""
    difference = tensor_difference({"logits": logits["torch"]}, {"logits": logits["keras"]})
    if difference.within:
        spread(logits["torch"])  # logits that say nothing are equal, too
    where = "" if difference.within else locate.by_values_in_float64(one, training=False)
    yield Result.of("float64", difference, where)
    difference = forward_difference(logits["torch"], logits["onnx"])
    where = "" if difference.within else locate.by_values_in_float32(one, one.frameworks("float64"))
    yield Result.of("onnx", difference, where)


def judge_steps(one: Subject, steps: Mapping[str, TrainingStep]) -> Iterator[Result]:
    """Compare one step on soft targets: gradients, batch-norm statistics, and all weights after the update."""
    for kind in ("gradients", "statistics", "step"):
        torch, keras = (getattr(steps[name], kind) for name in FRAMEWORKS)
        if kind == "statistics" and not torch and not keras:
            yield Result(kind, True, "none")
            continue
        difference = tensor_difference(torch, keras)
        where = "" if difference.within else _in_training(one, difference, kind, torch, keras)
        yield Result.of(kind, difference, where)


def _targets(graph: Graph) -> np.ndarray:
    classes = graph.shapes[graph.outputs[0]][0]
    return one_hot(stream(1, "labels").integers(0, classes, IMAGES), classes, smoothing=0.1)


def _in_training(one: Subject, difference: Difference, kind: str, torch: Weights, keras: Weights) -> str:
    where = locate.by_values_in_float64(one, training=True)  # as they were before the step
    return f"{difference}: {where or locate.by_tensors(explicit_noise(one.graph), kind, torch, keras)}"
