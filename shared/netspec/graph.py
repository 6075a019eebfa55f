"""A network as data: a flat, immutable graph of typed ops with named inputs."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from math import isfinite
from typing import Any

from diptych.errors import GraphError, ShapeError
from netspec.ops import Draw, NoisyOp, Op, Param, ShakeDrop, Shape, StochasticDepth

SCHEMA = 1  # of a graph as JSON
IMAGE = "image"
LOGITS = "logits"
NOISE = "noise."
_NAME = re.compile(r"(?!_)\w+(\.\w+)*")  # names that begin with _ are reserved for the builders
LONGEST_TITLE = 180  # bytes: file systems allow 255, and suffixes have to fit
_PLACEMENT = ("padding", "overhang")  # attributes that depend on the image size, not on the weights


@dataclass(frozen=True)
class Node:
    """One op at a dotted path; `inputs` are names of earlier nodes, `image`, or draws."""

    name: str
    op: Op
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class BlockCall:
    """One call of a `@block` function. For reading, diagrams and reduced copies; not part of the digest.

    `nodes` names the nodes that it drew, those of inner blocks included. A node after the block may be in its scope
    too: a pool on the block's output is named after that output.
    """

    function: str
    scope: str
    arguments: tuple[tuple[str, Any], ...]
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """A network. Nodes are in topological order; the first output is the logits.

    Further outputs are auxiliary heads. Training adds them to the loss by `loss_weights`, one per output (empty: 1
    each); inference leaves them out. `heads` has all outputs by name.

    Raises `GraphError` for a cyclic, dangling or ambiguous graph, and `ShapeError` where an op cannot take its inputs;
    both name the node.
    """

    name: str
    input_shape: Shape
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    blocks: tuple[BlockCall, ...] = field(default=(), compare=False, repr=False)
    loss_weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.input_shape) != 3 or min(self.input_shape) < 1:
            raise GraphError(
                f"{self.name}: the input shape must be (C, H, W) with positive sizes, not {self.input_shape}"
            )
        self._check_title()
        self._check_names()
        self._check_draws()
        _ = self.shapes
        if both := next((name for name in self.params if name in self.shapes), None):
            raise GraphError(f"{self.name}: a node and a parameter are named '{both}'; rename the node")

    def __getstate__(self) -> dict[str, Any]:
        """For other processes: without `blocks`, because their arguments may be functions that cannot be pickled."""
        return {part.name: getattr(self, part.name) for part in fields(self)} | {"blocks": ()}

    def __deepcopy__(self, memo: dict[int, Any]) -> "Graph":
        """A graph is immutable: the copy of a module that has a graph shares that graph."""
        return self

    def _check_title(self) -> None:
        """Check that the name can be part of file and folder names and of lines of text."""
        name = self.name
        if not name.isprintable() or name[:1] in ("", ".", "~") or any(mark in name for mark in "/\\"):
            raise GraphError(f"{name[:80]!r} is not a name for a graph, since files are named after it")
        if len(name.encode()) > LONGEST_TITLE:
            raise GraphError(f"{name[:40]}... is not a name for a graph: it is longer than {LONGEST_TITLE} bytes")

    def _check_names(self) -> None:
        places: dict[str, int] = {}
        for place, node in enumerate(self.nodes):
            if not _NAME.fullmatch(node.name) or node.name == IMAGE or node.name.startswith(NOISE):
                raise GraphError(f"{self.name}: '{node.name}' is not a valid name for a node")
            if node.name in places:
                raise GraphError(f"{self.name}: two nodes are named '{node.name}'; give one of them name=...")
            places[node.name] = place
        for place, node in enumerate(self.nodes):
            self._check_inputs(node, place, places)
        draws = [draw for node in self.nodes if len(node.inputs) > 1 for draw in draw_names_of(node)]
        if twice := next((draw for draw in draws if draws.count(draw) > 1), None):
            raise GraphError(f"{self.name}: two draws are named '{twice}'; give one of their nodes name=...")
        if not self.outputs:
            raise GraphError(f"{self.name}: the graph has no outputs")
        for output in self.outputs:
            if output not in places:
                raise GraphError(f"{self.name}: output '{output}' is not a node")
        if self.loss_weights and len(self.loss_weights) != len(self.outputs):
            raise GraphError(f"{self.name}: {len(self.loss_weights)} loss weights for {len(self.outputs)} outputs")
        if unused := min(places.keys() - self.ancestors(self.outputs), default=None):
            raise GraphError(f"{self.name}: no output needs '{unused}'; leave it out")
        if not all(map(isfinite, self.loss_weights)):
            raise GraphError(f"{self.name}: a loss weight is NaN or infinite")
        if len(self.heads) != len(self.outputs):
            raise GraphError(f"{self.name}: two outputs have the same head name; the heads are {', '.join(self.heads)}")

    def _check_draws(self) -> None:
        """All nodes that draw have their draws as inputs, or none has."""
        noisy = [node for node in self.nodes if isinstance(node.op, NoisyOp)]
        for node in noisy:
            if node.inputs[1:] not in ((), (draws := draw_names_of(node))):
                given, wanted = ", ".join(node.inputs[1:]), ", ".join(draws)
                raise GraphError(f"{self.name}: '{node.name}' reads {given}, not {wanted}")
        if len({len(node.inputs) > 1 for node in noisy}) > 1:
            raise GraphError(f"{self.name}: some nodes have their draws as inputs, but not all; give all or none")

    def _check_inputs(self, node: Node, place: int, places: dict[str, int]) -> None:
        fewest, most = node.op.arity
        if len(node.inputs) < fewest or (most is not None and len(node.inputs) > most):
            raise GraphError(f"{self.name}: '{node.name}' ({node.op.kind}) cannot take {len(node.inputs)} inputs")
        for position, source in enumerate(node.inputs):
            if source == IMAGE or (position and source in draw_names_of(node)[position - 1 : position]):
                continue
            if source not in places:
                raise GraphError(f"{self.name}: '{node.name}' reads '{source}', which does not exist")
            if places[source] >= place:
                raise GraphError(f"{self.name}: {self._cycle() or f'{node.name} reads {source}, which comes later'}")

    def _cycle(self) -> str | None:
        try:
            TopologicalSorter({node.name: node.inputs for node in self.nodes}).prepare()
        except CycleError as error:
            path: list[str] = error.args[1]
            shown = path if len(path) < 6 else [*path[:3], "...", *path[-2:]]
            return f"the nodes form a cycle: {' <- '.join(shown)}"
        return None

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    @cached_property
    def draws(self) -> dict[str, Draw]:
        """The draws that are inputs, by name, in node order: `noise.<path>`, or `noise.<path>.<draw>` of several."""
        return {
            name: draw
            for node in self.nodes
            if isinstance(node.op, NoisyOp) and len(node.inputs) > 1
            for name, draw in zip(draw_names_of(node), node.op.draws(self.shapes[node.inputs[0]]), strict=True)
        }

    @cached_property
    def inputs(self) -> dict[str, Shape]:
        """Named inputs with their logical shapes: `image`, then the explicit draws in node order."""
        return {IMAGE: self.input_shape} | {draw: self.shapes[draw] for draw in self.draws}

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Logical shape of the image and of every node's output."""
        shapes: dict[str, Shape] = {IMAGE: self.input_shape}
        for node in self.nodes:
            if isinstance(node.op, NoisyOp) and len(node.inputs) > 1:
                drawn = node.op.draws(shapes[node.inputs[0]])
                shapes |= {name: draw.shape for name, draw in zip(draw_names_of(node), drawn, strict=True)}
            try:
                shapes[node.name] = node.op.shape(*(shapes[source] for source in node.inputs))
            except ShapeError as error:
                raise ShapeError(f"{self.name}: '{node.name}': {error}") from None
        return shapes

    @cached_property
    def heads(self) -> dict[str, float]:
        """The loss weight of each output, in order: `logits`, then auxiliary heads, named by their scopes.

        The output `aux1.fc2` is the head `aux1`.
        """
        scopes = (output.rpartition(".")[0] or output for output in self.outputs[1:])
        return dict(zip((LOGITS, *scopes), self.loss_weights or (1.0,) * len(self.outputs), strict=True))

    def input_shapes(self, node: Node) -> tuple[Shape, ...]:
        return tuple(self.shapes[source] for source in node.inputs)

    @cached_property
    def params(self) -> dict[str, Param]:
        """Every tensor of the network by its canonical name, `<node>.<param>`."""
        return {
            f"{node.name}.{param.name}": param
            for node in self.nodes
            for param in node.op.params(*self.input_shapes(node))
        }

    @property
    def num_trainable(self) -> int:
        """Kernels, biases, gammas and betas."""
        return sum(param.size for param in self.params.values() if param.trainable)

    @property
    def num_total(self) -> int:
        """Trainable parameters and running statistics."""
        return sum(param.size for param in self.params.values())

    @property
    def macs(self) -> int:
        """Multiply-adds, for one image, of the convolutions and dense layers that the logits need."""
        needed = self.ancestors(self.outputs[:1])
        return sum(node.op.macs(*self.input_shapes(node)) for node in self.nodes if node.name in needed)

    def ancestors(self, outputs: tuple[str, ...]) -> set[str]:
        """Names of the nodes that `outputs` depend on, themselves included."""
        needed = set(outputs)
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
        return needed

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the inference graph without image size and pads. Equal digests mean that the same weights fit.

        It depends on the ops, on how they are joined, and on the names of the weights. Names of ops without weights do
        not count, so adding dropout changes nothing.
        """
        hashes = {IMAGE: str(self.input_shape[0])}
        needed = self.ancestors(self.outputs[:1])
        for node in self.nodes:
            if node.name not in needed:
                continue
            op, inputs = at_inference(node)
            if op is None:
                hashes[node.name] = hashes[inputs[0]]
                continue
            attributes = [(key, value) for key, value in attributes_of(op).items() if key not in _PLACEMENT]
            owner = node.name if op.params(*self.input_shapes(node)) else ""
            text = repr((op.kind, attributes, owner, [hashes[source] for source in inputs]))
            hashes[node.name] = hashlib.sha256(text.encode()).hexdigest()
        return hashes[self.outputs[0]]

    def to_json(self) -> str:
        """The graph as text of `SCHEMA`: attributes and edges, never shapes. `netspec.serialize` reads it.

        One line per node, so that any text tool can compare two graphs.
        """
        head = json.dumps({"schema": SCHEMA, "name": self.name, "input_shape": self.input_shape})
        nodes = ({"name": n.name, "op": n.op.kind, "inputs": n.inputs, "attributes": attributes_of(n.op)} for n in self)
        lines = ",\n    ".join(map(json.dumps, nodes))
        tail = {"outputs": self.outputs} | ({"loss_weights": self.loss_weights} if self.loss_weights else {})
        return f'{head[:-1]},\n "nodes": [\n    {lines}\n ],\n {json.dumps(tail)[1:]}\n'


def draw_names_of(node: Node) -> tuple[str, ...]:
    """The names that the draws of a node have as inputs; none if its op does not draw."""
    names = node.op.draw_names if isinstance(node.op, NoisyOp) else ()
    return tuple(f"{NOISE}{node.name}.{name}".removesuffix(".") for name in names)


def at_inference(node: Node) -> tuple[Op | None, tuple[str, ...]]:
    """The op of a node at inference, None if it does nothing there, and its inputs without draws."""
    return node.op.at_inference, node.inputs[:1] if isinstance(node.op, NoisyOp) else node.inputs


def attributes_of(op: Op) -> dict[str, Any]:
    """The op's fields by name."""
    return {entry.name: getattr(op, entry.name) for entry in fields(op)}


Structure = tuple[tuple[str, Any, tuple[str, ...]], ...]


def structure(nodes: Sequence[Node], scope: str) -> Structure:
    """What the nodes under `scope` are and how they are joined: equal for a block and its repeat.

    Names are relative to the scope. Nodes read from outside are numbered in order of use. Survival probabilities are
    left out, because they differ from block to block.
    """
    inside = {node.name for node in nodes}
    outside: dict[str, str] = {}
    return tuple(
        (
            node.name.removeprefix(scope),
            type(node.op) if isinstance(node.op, StochasticDepth | ShakeDrop) else node.op,
            tuple(
                source.removeprefix(scope) if source in inside else outside.setdefault(source, f"{len(outside)}")
                for source in node.inputs
            ),
        )
        for node in nodes
    )
