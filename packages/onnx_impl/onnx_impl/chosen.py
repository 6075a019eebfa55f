"""What an export command is to write: a network by its name, a graph from a file, or what a run has trained."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from netspec import Graph, list_architectures, load_weights
from netspec.errors import DataError, UnknownNameError, first_line
from netspec.init import Weights
from netspec.options import form_of, network_of
from netspec.registry import resolve
from onnx_impl.measure import probe
from trainspec.evaluation import read_run


@dataclass(frozen=True)
class Chosen:
    """A graph, its canonical weights, what the file says about itself beside them, and where it goes."""

    graph: Graph
    weights: Weights
    metadata: Mapping[str, str]
    path: Path


def chosen(options: argparse.Namespace, framework: str) -> Chosen:
    """What the options of an export name. Raises the `DiptychError` of whatever cannot be used."""
    named = options.network.endswith(".json") or options.network in list_architectures()
    if Path(options.network).is_dir() and not named:
        return _of_run(Path(options.network), options, framework)
    graph = network_of(options)
    weights = load_weights(graph, options.weights) if options.weights else probe(graph)
    return Chosen(graph, weights, {}, options.out or Path("exports") / f"{graph.name}-{framework}.onnx")


def _of_run(folder: Path, options: argparse.Namespace, framework: str) -> Chosen:
    """With the metadata of the model that the run shipped: its classes, and how images are prepared."""
    _, graph, weights = read_run(folder, unfinished=options.unfinished)
    if options.weights:
        raise UnknownNameError(f"{folder} has weights of its own: leave --weights out, or name the architecture")
    graph = resolve(graph, **form_of(options))
    try:
        shipped = onnx.load(folder / "model.onnx")
    except Exception as error:  # protobuf's exceptions and the system's have no common base class
        raise DataError(f"{folder}: model.onnx cannot be read ({first_line(error)})") from None
    metadata = {entry.key: entry.value for entry in shipped.metadata_props}
    return Chosen(graph, weights, metadata, options.out or folder / "proof" / f"{framework}.onnx")
