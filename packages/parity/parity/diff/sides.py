"""Finds out what the two things to compare are: an architecture, a graph, a run, a weight file or an ONNX file."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from deploy.contract import RESIZE_RULES, Contract
from deploy.shell import complain
from diptych.errors import DataError, WeightsError
from netspec import Graph, inference, list_architectures, load_weights
from netspec.init import Weights
from netspec.ops import Shape
from netspec.options import network_of
from netspec.recovery import recovered
from netspec.registry import architecture, nearest, resolve
from netspec.tensor_file import read_header
from netspec.weights import FORMAT
from parity.titles import title_of
from trainspec.judging import read_run, recorded_constants
from trainspec.runs import Run


class OnnxFile(Protocol):
    """What a comparison needs of an ONNX file: `onnx_impl.reading.OnnxFile`."""

    @property
    def contract(self) -> Contract: ...

    @property
    def input_shape(self) -> Shape:
        """`(C, H, W)`."""

    @property
    def classes(self) -> int | None: ...

    def logits(self, images: np.ndarray) -> np.ndarray: ...

    def values(self, images: np.ndarray) -> Weights: ...


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two. `kind` is a word for it, `framework` what runs it: torch, keras or onnx.

    `graph` is None for an ONNX file of another program. `weights` is None without weights. Without a graph it has the
    tensors under their own names. `contract` says how images are prepared, and the names of the classes; it is empty
    for what does not say it.
    """

    given: str
    kind: str
    framework: str
    graph: Graph | None
    weights: Weights | None = field(repr=False, default=None)
    contract: Contract = field(repr=False, default=Contract())
    file: OnnxFile | None = field(repr=False, default=None)

    @property
    def input_shape(self) -> Shape:
        """`(C, H, W)`."""
        if self.graph is not None:
            return self.graph.input_shape
        assert self.file is not None
        return self.file.input_shape

    @property
    def classes(self) -> int | None:
        """The number of logits; None if an ONNX file does not say it."""
        if self.graph is not None:
            return self.graph.shapes[self.graph.outputs[0]][0]
        return self.file.classes if self.file else None

    @property
    def name(self) -> str:
        """The network's name; empty if it is not known."""
        return self.graph.name if self.graph else self.contract.architecture

    @property
    def words(self) -> str:
        """What it is, in a line."""
        where = f" in {title_of(self.framework)}" if self.kind == "run" else ""
        weights = "" if self.weights else ", without weights"
        return f"{self.given} ({self.kind}{where}{f' of {self.name}' if self.name != self.given else ''}{weights})"


def read_sides(a: str, b: str, *, unfinished: bool = False) -> tuple[Side, Side]:
    """Both, as graphs of one form: where one holds only the inference graph, so does the other.

    A file of weights or an ONNX file may be of the other's graph. Raises a `DiptychError` of one line
    for what is none of the five, or cannot be read.
    """
    texts, found = [a, b], dict[int, Side]()
    for place in sorted((0, 1), key=lambda place: _is_file(texts[place])):
        graphs = [side.graph for side in found.values() if side.graph is not None]
        found[place] = read_side(texts[place], unfinished=unfinished, others=graphs)
    sides = found[0], found[1]
    if any(side.file is not None for side in sides):
        return _deployed(sides[0]), _deployed(sides[1])
    return sides


def _is_file(text: str) -> bool:
    return Path(text).suffix in (".safetensors", ".onnx")


def read_side(given: str, *, unfinished: bool = False, others: Iterable[Graph] = ()) -> Side:
    """One of the two. `others` are graphs that a file may be of, beside those of the registry. Raises as above."""
    path = Path(given)
    if path.suffix == ".json":
        return Side(given, "graph", "torch", resolve(given))
    name = given.partition(":")[0].partition("(")[0]
    if name in list_architectures():
        name, form = network_of(given)
        return Side(given, "architecture", "torch", architecture(name, **form))
    if os.path.isdir(path):
        run, graph, weights = read_run(path, unfinished=unfinished, notice=complain)
        return Side(given, "run", str(run.facts["framework"]), graph, weights, _contract_of(run, graph))
    if path.suffix == ".safetensors":
        graph, weights = _weight_file(path, others)
        return Side(given, "weight file", "torch", graph, weights)
    if path.suffix == ".onnx":
        from onnx_impl.reading import read_onnx

        file = read_onnx(path, unfinished=unfinished, others=others)
        kind = "compressed ONNX file" if file.contract.compression else "native ONNX file"
        kind = "ONNX file" if file.graph else kind
        return Side(given, kind, "onnx", file.graph, file.tensors, file.contract, file)
    if not os.path.exists(path):
        hint = "" if "/" in given else nearest(name, list_architectures())
        raise DataError(f"{given} is no file or folder, and no architecture{hint}")
    raise DataError(f"{given}: not a graph (.json), a run, a weight file (.safetensors) or an ONNX file (.onnx)")


def _contract_of(run: Run, graph: Graph) -> Contract:
    """What the files of a run say of images and classes, as its `model.onnx` says it."""
    mean, std = recorded_constants(run, graph.input_shape[0]) or ((), ())
    rule = RESIZE_RULES[run.recipe.data.resize]
    return Contract(classes=tuple(run.facts.get("classes", ())), mean=mean, std=std, resize_rule=rule)


def _weight_file(path: Path, others: Iterable[Graph]) -> tuple[Graph, Weights]:
    metadata, shapes = _stated(path)
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path} does not say of which network it is: it is not a weight file of Diptych")
    title, digest = metadata.get("architecture", ""), metadata.get("digest", "")
    graph = recovered(title, digest, shapes, near=path, others=others)
    if graph is None:
        raise WeightsError(f"{path} holds weights of {title}, which is not known: put its graph.json into this folder")
    return graph, load_weights(graph, path)


def _stated(path: Path) -> tuple[Mapping[str, str], dict[str, Shape]]:
    """The metadata of a safetensors file, and the shapes of its tensors."""
    try:
        header: dict[str, Any] = read_header(path)[0]
        metadata = header.pop("__metadata__", {})
        return metadata, {name: tuple(entry["shape"]) for name, entry in header.items()}
    except Exception as error:  # damaged in any way
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a safetensors file"
        raise WeightsError(f"cannot read weights from {path}: {reason}") from None


def _deployed(side: Side) -> Side:
    """The side with its inference graph."""
    if side.graph is None or side.file is not None:
        return side
    graph = inference(side.graph)
    weights = None if side.weights is None else {name: side.weights[name] for name in graph.params}
    return replace(side, graph=graph, weights=weights)
