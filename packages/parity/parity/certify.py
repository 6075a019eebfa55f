"""`python -m parity RUN`: makes all comparisons of a trained network, and writes the certificate of its run anew."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from deploy.errors import ModelError
from deploy.files import check_folder, make_folder
from deploy.inspection import inspect, read_model
from deploy.runs import PROOF
from deploy.shell import say
from netspec import Graph, without_heads
from netspec.compare import Difference, forward_difference
from netspec.init import Weights
from parity.check import Comparison, Result, check
from parity.frameworks import FRAMEWORKS
from parity.log import Row
from parity.memory import release
from parity.mutants.record import counts
from parity.mutants.testing import MOST, print_mutants, proved, try_graph, try_steps
from parity.report import print_rows, status_of
from parity.runners import run_onnx
from parity.subject import subject
from trainspec.certificate import NAME, Certificate, finite, hashes
from trainspec.judging import read_run

WEIGHTS, MODEL = "weights.safetensors", "model.onnx"


def certify(folder: Path, *, mutants: bool = False) -> int:
    """Compare the network of a run under every implementation, with its trained weights; returns the exit status.

    `mutants` also tests the proof, with probe weights; the certificate is there before that begins. Raises a
    `DiptychError` for a run that cannot be used.
    """
    _, graph, weights = read_run(folder)
    check_folder(folder / PROOF)  # before the work
    files = exported(folder)
    begin = time.monotonic()
    comparison = Comparison(graph, graph, graph, native=True)
    results = list(check(comparison, files=(weights,)))
    rows = print_rows([comparison], [Row.of(comparison, results, time.monotonic() - begin)])
    exports = dict(differences(without_heads(graph), weights, folder, files))
    for name, difference in exports.items():
        say(f"{name}: differ by {difference}")
    certificate = Certificate(
        graph,
        weights,
        hashes(folder, [WEIGHTS, *files]),
        exports,
        {result.check: as_facts(result) for result in results},
        reasons={result.check: result.where for result in results if not result.passed},
    )
    certificate.write(path := make_folder(folder / PROOF) / NAME)
    say(f"written    {path}")
    planted = print_mutants(attempt(graph, most=MOST) for attempt in (try_graph, try_steps)) if mutants else []
    if planted:
        replace(certificate, mutants=counts(outcome for row in planted for outcome in row.outcomes)).write(path)
        say(f"written    {path}")
    sound = all(difference.within for difference in exports.values()) and (not planted or proved(planted))
    return status_of(rows) if sound else 1


def exported(folder: Path) -> list[str]:
    """The float32 files of a run by path: `model.onnx`, and the exports in `proof`. Raises `ModelError` for a bad one.

    Those that compute something else, as a quantized file, and those that users put there are only named.
    """
    every = {path.relative_to(folder).as_posix() for path in folder.rglob("*.onnx")}
    if MODEL not in every:
        raise ModelError(f"{folder}: has no {MODEL}, so there is nothing to compare; restore it")
    own = sorted(name for name in every if name == MODEL or Path(name).parent == Path(PROOF))
    found = {name: inspect(read_model(folder / name), folder / name).contract for name in own}
    files = [name for name in own if not found[name].compression]
    if others := sorted(every.difference(files)):
        say(f"not compared: {', '.join(others)}")
    return files


def differences(graph: Graph, weights: Weights, folder: Path, files: list[str]) -> Iterator[tuple[str, Difference]]:
    """Each ONNX file of a run under onnxruntime against each framework, in float32."""
    one = subject(graph, {name: weights[name] for name in graph.params})
    logits = {name: run_onnx(str(folder / name), one.images)["logits"] for name in files}
    for framework in FRAMEWORKS:
        expected = one.logits(framework, one.framework(framework, "float32"))
        release()
        for name, actual in logits.items():
            yield f"{name} | {framework}", forward_difference(expected, actual)


def as_facts(result: Result) -> dict[str, Any]:
    return {"passed": result.passed, "value": finite(result.value), "limit": result.limit, "text": result.text}
