"""What an export command writes: a named network, a graph from a file, or the network of a run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deploy.contract import PROBE_WEIGHTS
from deploy.errors import DiptychError
from deploy.files import is_folder
from deploy.inspection import inspect, read_model
from deploy.outputs import check_apart
from diptych.errors import DataError, UsageError
from netspec import Graph, list_architectures, load_weights
from netspec.init import Weights
from netspec.limits import check_onnx_size
from netspec.options import form_of
from netspec.registry import resolve
from netspec.weights import deployed_hash
from onnx_impl.measure import probe
from onnx_impl.presets import describe
from trainspec.judging import check_made_from, read_run


@dataclass(frozen=True)
class ExportRequest:
    """A graph, its canonical weights, the file's other metadata, and the file's path."""

    graph: Graph
    weights: Weights
    metadata: Mapping[str, str]
    path: Path


def request(
    network: str,
    framework: str,
    *,
    weights: Path | None = None,
    out: Path | None = None,
    unfinished: bool = False,
    notice: Callable[[str], None] = print,
    preset: str | None = None,
    classes: Path | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    **chosen_form: Any,
) -> ExportRequest:
    """What an export should write, from the values of `EXPORT_OPTIONS`; `chosen_form` are those of `FORM_OPTIONS`.

    `notice` is called with messages about what the user may not expect. Raises the matching `DiptychError` for an
    argument that cannot be used, before weights are made.
    """
    form = form_of(**chosen_form)
    check_apart(out, network, weights, classes)
    description = {"preset": preset, "classes": classes, "mean": mean, "std": std}  # what a run already knows
    named = network.endswith(".json") or network in list_architectures()
    if is_folder(network) and not named:
        if weights:
            raise UsageError(f"{network} has weights of its own: leave --weights out, or name the architecture")
        if given := [f"--{key}" for key, value in description.items() if value is not None]:
            raise UsageError(f"{network} already says how images are prepared: leave {', '.join(given)} out")
        return request_of_run(Path(network), framework, form=form, out=out, unfinished=unfinished)
    graph = resolve(network, **form)
    check_onnx_size(graph)
    contract = describe(graph, preset, classes, mean, std)
    if not weights:
        notice(f"no --weights: the file will have {PROBE_WEIGHTS}")
        contract = replace(contract, weights=PROBE_WEIGHTS)
    given_weights = load_weights(graph, weights, notice=notice) if weights else probe(graph)
    metadata = replace(contract, weights_sha256=deployed_hash(graph, given_weights)).properties()
    return ExportRequest(graph, given_weights, metadata, out or Path("exports") / f"{graph.name}-{framework}.onnx")


def request_of_run(
    folder: Path,
    framework: str,
    *,
    form: Mapping[str, Any] | None = None,
    out: Path | None = None,
    unfinished: bool = False,
) -> ExportRequest:
    """The network of a run, with the metadata of its exported model: classes, and how images are prepared.

    Raises the matching `DiptychError` if the run cannot be used.
    """
    run, graph, weights = read_run(folder, unfinished=unfinished)
    graph = resolve(graph, **(form or {}))
    try:
        shipped = inspect(read_model(folder, unfinished=unfinished), folder / "model.onnx").contract
    except DiptychError as error:
        network = f"{folder / 'graph.json'} with --weights {folder / 'weights.safetensors'}"
        raise DataError(f"{folder}: model.onnx cannot be used ({error}); repair it, or export {network}") from None
    check_made_from(run, shipped, graph, weights)
    metadata = replace(shipped, content_sha256="").properties()
    return ExportRequest(graph, weights, metadata, out or folder / "proof" / f"{framework}.onnx")
