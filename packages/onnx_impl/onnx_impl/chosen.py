"""What an export command is to write: a network by its name, a graph from a file, or what a run has trained."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.contract import PROBE_WEIGHTS
from deploy.errors import DeployError
from deploy.inspection import inspect, read_model
from diptych.errors import DataError, UsageError
from netspec import Graph, inference, list_architectures, load_weights
from netspec.init import Weights
from netspec.limits import check_onnx_size
from netspec.options import form_of, network_of
from netspec.registry import resolve
from netspec.weights import weights_hash
from onnx_impl.measure import probe
from onnx_impl.presets import describe
from trainspec.evaluation import read_run

DESCRIPTION = ("preset", "classes", "mean", "std")  # the options that say what a run says itself


@dataclass(frozen=True)
class Chosen:
    """A graph, its canonical weights, what the file says about itself beside them, and where it goes."""

    graph: Graph
    weights: Weights
    metadata: Mapping[str, str]
    path: Path


def chosen(options: argparse.Namespace, framework: str, notice: Callable[[str], None] = print) -> Chosen:
    """What the options of an export name; `notice` is told what the user may not expect.

    Raises the `DiptychError` of whatever cannot be used, before weights are made.
    """
    named = options.network.endswith(".json") or options.network in list_architectures()
    if Path(options.network).is_dir() and not named:
        return _of_run(Path(options.network), options, framework)
    graph = network_of(options)
    check_onnx_size(graph)
    contract = describe(graph, **{key: getattr(options, key) for key in DESCRIPTION})
    if not options.weights:
        notice(f"no --weights: the file will have {PROBE_WEIGHTS}")
        contract = replace(contract, weights=PROBE_WEIGHTS)
    weights = load_weights(graph, options.weights, notice=notice) if options.weights else probe(graph)
    deployed = {name: weights[name] for name in inference(graph).params}
    metadata = replace(contract, weights_sha256=weights_hash(deployed)).properties()
    return Chosen(graph, weights, metadata, options.out or Path("exports") / f"{graph.name}-{framework}.onnx")


def _of_run(folder: Path, options: argparse.Namespace, framework: str) -> Chosen:
    """With the metadata of the model that the run shipped: its classes, and how images are prepared."""
    _, graph, weights = read_run(folder, unfinished=options.unfinished)
    if options.weights:
        raise UsageError(f"{folder} has weights of its own: leave --weights out, or name the architecture")
    if given := [f"--{key}" for key in DESCRIPTION if getattr(options, key) is not None]:
        raise UsageError(f"{folder} says itself what its images are: leave {', '.join(given)} out")
    graph = resolve(graph, **form_of(options))
    try:
        shipped = inspect(read_model(folder, unfinished=options.unfinished), folder / "model.onnx").contract
    except DeployError as error:
        network = f"{folder / 'graph.json'} with --weights {folder / 'weights.safetensors'}"
        raise DataError(f"{folder}: model.onnx cannot be used ({error}); or export {network}") from None
    metadata = replace(shipped, content_sha256="").properties()
    return Chosen(graph, weights, metadata, options.out or folder / "proof" / f"{framework}.onnx")
