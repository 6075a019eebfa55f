"""Records a graph while an author's function runs on tensors of known shapes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import Any

from diptych.errors import GraphError, ShapeError
from netspec.graph import IMAGE, BlockCall, Graph, Node, Structure, structure
from netspec.ops import Op, Shape


@dataclass(frozen=True)
class Tensor:
    """A value in a network under construction: `shape` is `(C, H, W)` or `(C,)`."""

    name: str
    shape: Shape
    tracer: "Tracer"

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def height(self) -> int:
        return self.shape[1]

    @property
    def width(self) -> int:
        return self.shape[2]


Heads = Tensor | Mapping[Tensor, float]
"""What a network returns: the logits, or the logits and auxiliary heads with the weights of their losses."""


class Tracer:
    """The nodes and block calls so far, and the scope that names are put under.

    With `distinct_blocks`, a block identical to an earlier one is dropped.
    """

    def __init__(self, name: str, input_shape: Shape, *, distinct_blocks: bool = False) -> None:
        self.name = name
        self.input_shape = input_shape
        self.nodes: list[Node] = []
        self.blocks: list[BlockCall] = []
        self.scope = ""
        self.distinct_blocks = distinct_blocks
        self.drawn: set[Structure] = set()

    def emit(self, op: Op, *inputs: Tensor, name: str | None = None) -> Tensor:
        """Append a node. An op with weights needs a `name`; without one, a node is named after its input and kind."""
        shapes = [x.shape for x in inputs]
        path = self._path(name) if name else self._default_path(op, inputs[0])
        try:
            shape = op.shape(*shapes)
        except ShapeError as error:
            raise ShapeError(f"{error} (at '{path}')") from None
        if name is None and op.params(*shapes):
            raise GraphError(f"{self.name}: {op.kind} on '{inputs[0].name}' owns weights and needs name=...")
        self.nodes.append(Node(path, op, tuple(x.name for x in inputs)))
        return Tensor(path, shape, self)

    def _path(self, name: str) -> str:
        return f"{self.scope}.{name}" if self.scope else name

    def _default_path(self, op: Op, x: Tensor) -> str:
        """`<input>.<label>` if the input is in the current scope, else `<label>` in that scope."""
        prefix = f"{self.scope}." if self.scope else ""
        if x.name == IMAGE or not x.name.startswith(prefix):
            return prefix + op.label
        return f"{x.name}.{op.label}"

    @contextmanager
    def within(self, name: str) -> Iterator[None]:
        """Put the names of nodes emitted meanwhile under `name`."""
        outer, self.scope = self.scope, self._path(name)
        try:
            yield
        finally:
            self.scope = outer

    def structure(self, start: int) -> Structure:
        """The structure of the nodes from number `start` on, relative to the current scope."""
        return structure(self.nodes[start:], self.scope)


def trace(
    name: str, input_shape: Shape, function: Callable[[Tensor], Heads], *, distinct_blocks: bool = False
) -> Graph:
    """The graph that `function` draws when it is called with the image.

    With `distinct_blocks`, a `@block` identical to an earlier one is left out, unless it changes the size of the map;
    survival probabilities are not compared.
    What remains is the network with the fewest repeats that keep every distinct block.
    """
    tracer = Tracer(name, input_shape, distinct_blocks=distinct_blocks)
    heads = function(Tensor(IMAGE, input_shape, tracer))
    nodes, blocks = tuple(tracer.nodes), tuple(tracer.blocks)
    if isinstance(heads, Tensor):
        return Graph(name, input_shape, nodes, (heads.name,), blocks)
    return Graph(name, input_shape, nodes, tuple(head.name for head in heads), blocks, tuple(heads.values()))


def block(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Put the nodes of `function` under the `name` it is called with, and record each call."""
    parameters = list(signature(function).parameters)

    @wraps(function)
    def call(x: Tensor, *args: Any, name: str, **kwargs: Any) -> Tensor:
        tracer = x.tracer
        given = tuple((dict(zip(parameters[1:], args, strict=False)) | kwargs).items())
        outermost, nodes, blocks = not tracer.scope, len(tracer.nodes), len(tracer.blocks)
        with tracer.within(name):
            y = function(x, *args, **kwargs)
            drawn = tuple(node.name for node in tracer.nodes[nodes:])
            tracer.blocks.insert(blocks, BlockCall(function.__name__, tracer.scope, given, drawn))
            if tracer.distinct_blocks and outermost and x.shape[1:] == y.shape[1:]:  # `x` can replace `y`
                structure = tracer.structure(nodes)
                if structure in tracer.drawn:
                    del tracer.nodes[nodes:], tracer.blocks[blocks:]
                    return x
                tracer.drawn.add(structure)
            return y

    return call
