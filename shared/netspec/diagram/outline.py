"""What a picture shows: boxes for layers and blocks, repeats folded, and each distinct block opened once.

A layer is one box, together with the norm and the activation after it. Blocks are repeats of one another if they draw
the same structure. Blocks that differ only in numbers of channels share one opened drawing, a `Panel`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from netspec.blocks import inside, outermost
from netspec.graph import BlockCall, Node, Structure, structure
from netspec.labels import wording
from netspec.ops import (
    Activation,
    Add,
    AvgPool,
    BatchNorm,
    BlurPool,
    Concat,
    Conv,
    GlobalAvgPool,
    InstanceNorm,
    Linear,
    LocalResponseNorm,
    MaxPool,
    Mul,
    NoisyOp,
    Scale,
    Shape,
)

BEHIND = BatchNorm | InstanceNorm | LocalResponseNorm | Activation | Scale | NoisyOp
KINDS = {
    "layer": (Conv, Linear),
    "pool": (MaxPool, AvgPool, GlobalAvgPool, BlurPool),
    "join": (Add, Concat, Mul),
}
TIMES = "\N{MULTIPLICATION SIGN}"
FEW = 6  # up to this many blocks that look alike are drawn one below the other; more are folded
SHOWN = 4  # up to this many different numbers are listed; beyond, only the first and the last


class Drawn(Protocol):
    """What can be drawn: a graph, or two graphs as one. An edge to a node that comes later is left out."""

    @property
    def name(self) -> str: ...
    @property
    def nodes(self) -> tuple[Node, ...]: ...
    @property
    def blocks(self) -> tuple[BlockCall, ...]: ...
    @property
    def shapes(self) -> Mapping[str, Shape]: ...
    @property
    def inputs(self) -> Mapping[str, Shape]: ...
    def __iter__(self) -> Iterator[Node]: ...


@dataclass(frozen=True)
class Picture:
    """What can be drawn, put together from graphs: a part of one, or two as one."""

    name: str
    nodes: tuple[Node, ...]
    blocks: tuple[BlockCall, ...]
    shapes: Mapping[str, Shape]
    inputs: Mapping[str, Shape]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)


@dataclass(frozen=True)
class Marks:
    """What a drawing says of nodes beside what they are. By name; a node without a mark has the kind "" and level 0.

    Blocks are equal only if their nodes have equal `kinds`. A box has the highest of its nodes' `levels`.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)


UNMARKED = Marks()


@dataclass(frozen=True)
class Box:
    """A layer, or a closed block if `panel` is set. `inputs` name boxes, or nodes outside the drawing.

    `words` have a `{}` for each number of channels in `numbers`.
    """

    name: str
    kind: str
    words: str
    shape: str
    inputs: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    panel: int | None = None
    structure: Structure = field(default=(), repr=False)
    repeats: int = 1
    last: str = ""  # name of the last repeat
    kinds: tuple[str, ...] = field(default=(), repr=False)  # of its nodes: their marks
    level: int = 0

    @property
    def mark(self) -> str:
        """The kind of all its nodes, or "part" if only some are marked."""
        different = set(self.kinds)
        return different.pop() if len(different) == 1 else "part" if different else ""

    @property
    def text(self) -> str:
        """The words with the numbers filled in, and a multiplication sign between sizes."""
        return re.sub(r"(?<=\d)x(?=\d)", TIMES, self.words.format(*self.numbers))


@dataclass
class Panel:
    """A distinct block: for each use, its scope, its boxes, and the shapes that it reads."""

    function: str
    uses: list[str] = field(default_factory=list)
    drawn: list[list[Box]] = field(default_factory=list)
    reads: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def boxes(self) -> list[Box]:
        """The boxes of the first use, with the numbers of all uses."""
        return [
            replace(
                same[0],
                numbers=tuple(_listed(numbers) for numbers in zip(*(box.numbers for box in same), strict=True)),
                shape=_listed([box.shape for box in same]),
                level=max(box.level for box in same),
            )
            for same in zip(*self.drawn, strict=True)
        ]

    @property
    def shapes(self) -> list[str]:
        """The shapes read from outside, input by input."""
        return [_listed(shapes) for shapes in zip(*self.reads, strict=True)]


def outside_of(boxes: Sequence[Box]) -> list[str]:
    """The names that the boxes read but that are not among them, in order of reading."""
    names = {box.name for box in boxes}
    return list(dict.fromkeys(source for box in boxes for source in box.inputs if source not in names))


def outline(graph: Drawn, marks: Marks = UNMARKED) -> tuple[list[Box], list[Panel]]:
    """The network as boxes with repeats folded, and the panels of its blocks in order of first use."""
    reader = _Reader(graph, marks)
    boxes = reader.boxes(graph.nodes, graph.blocks)
    repeats = _fold(boxes, lambda one, other: _repeats(one) == _repeats(other), least=2)
    folded = _fold(repeats, lambda one, other: (one.panel, one.level) == (other.panel, other.level), least=FEW + 1)
    return _in_order_of_use(folded, list(reader.panels.values()))


def _repeats(box: Box) -> tuple[Structure, tuple[str, ...], int]:
    """Equal for blocks that are drawn as one."""
    return box.structure, box.kinds, box.level


def _in_order_of_use(boxes: list[Box], panels: list[Panel]) -> tuple[list[Box], list[Panel]]:
    """Renumber the panels: first those in the network from top to bottom, then those inside blocks."""
    order: dict[int, int] = {}
    waiting = list(boxes)
    while waiting:
        found = [box.panel for box in waiting if box.panel is not None and box.panel not in order]
        for old in dict.fromkeys(found):
            order[old] = len(order)
        waiting = [box for old in dict.fromkeys(found) for box in panels[old].drawn[0]]

    def renumbered(boxes: list[Box]) -> list[Box]:
        return [box if box.panel is None else replace(box, panel=order[box.panel]) for box in boxes]

    for panel in panels:
        panel.drawn = [renumbered(drawn) for drawn in panel.drawn]
    return renumbered(boxes), [panels[old] for old in order]


def shape_of(shape: Shape) -> str:
    return TIMES.join(map(str, shape))


class _Reader:
    """Turns nodes into boxes, and collects the panels of their blocks."""

    def __init__(self, graph: Drawn, marks: Marks) -> None:
        self.graph, self.marks = graph, marks
        self.readers = Counter(source for node in graph for source in node.inputs)
        self.panels: dict[object, Panel] = {}

    def boxes(self, nodes: Sequence[Node], calls: Sequence[BlockCall]) -> list[Box]:
        """The boxes of these nodes in order; blocks called among them are closed."""
        owners = {name: call for call in outermost(calls) for name in call.nodes}
        homes = self._homes(nodes, owners)
        members: dict[str, list[Node]] = {}
        for node in nodes:
            members.setdefault(homes[node.name], []).append(node)
        boxes = [self._box(home, group, owners.get(group[0].name), calls, homes) for home, group in members.items()]
        places = {box.name: place for place, box in enumerate(boxes)}
        return [
            replace(box, inputs=tuple(source for source in box.inputs if places.get(source, -1) < place))
            for place, box in enumerate(boxes)
        ]

    def _homes(self, nodes: Sequence[Node], owners: dict[str, BlockCall]) -> dict[str, str]:
        """The box that each node belongs to: its block, the layer before it, or its own box."""
        homes: dict[str, str] = {}
        for node in nodes:
            source = node.inputs[0]
            behind = isinstance(node.op, BEHIND) and source in homes and source not in owners
            if node.name in owners:
                homes[node.name] = owners[node.name].scope
            else:
                homes[node.name] = homes[source] if behind and self.readers[source] == 1 else node.name
        return homes

    def _box(
        self,
        name: str,
        nodes: Sequence[Node],
        call: BlockCall | None,
        calls: Sequence[BlockCall],
        homes: dict[str, str],
    ) -> Box:
        sources = [homes.get(source, source) for node in nodes for source in node.inputs]
        inputs = tuple(source for source in dict.fromkeys(sources) if source != name)
        shape = shape_of(self.graph.shapes[nodes[-1].name])
        kinds = tuple(self.marks.kinds.get(node.name, "") for node in nodes)
        level = max(self.marks.levels.get(node.name, 0) for node in nodes)
        if call:
            panel = self._panel(call, self.boxes(nodes, inside(call, calls)))
            words, within = call.function.replace("_", " "), structure(nodes, call.scope)
            return Box(name, "block", words, shape, inputs, panel=panel, structure=within, kinds=kinds, level=level)
        wordings = [wording(node.op) for node in nodes]
        kind = next((kind for kind, ops in KINDS.items() if isinstance(nodes[0].op, ops)), "other")
        numbers = tuple(str(number) for _, numbers in wordings for number in numbers)
        words = " · ".join(words for words, _ in wordings)
        return Box(name, kind, words, shape, inputs, numbers, kinds=kinds, level=level)

    def _panel(self, call: BlockCall, boxes: list[Box]) -> int:
        """The number of the panel that shows this call; adds a panel if there is none yet."""
        outside = outside_of(boxes)
        places = {name: place for place, name in enumerate([*outside, *(box.name for box in boxes)])}
        key = (
            call.function,
            tuple((box.words, box.panel, box.kinds, tuple(places[source] for source in box.inputs)) for box in boxes),
        )
        panel = self.panels.setdefault(key, Panel(call.function.replace("_", " ")))
        panel.uses.append(call.scope)
        panel.drawn.append(boxes)
        panel.reads.append(tuple(shape_of(self.graph.shapes[source]) for source in outside))
        return list(self.panels).index(key)


def _listed(values: Sequence[str]) -> str:
    """The different values in order of use; only the first and the last if there are many."""
    different = list(dict.fromkeys(values))
    return " | ".join(different) if len(different) <= SHOWN else f"{different[0]} ... {different[-1]}"


def _fold(boxes: Sequence[Box], alike: Callable[[Box, Box], bool], least: int) -> list[Box]:
    """Fold each run of at least `least` consecutive alike blocks into one box."""
    readers = Counter(source for box in boxes for source in box.inputs)
    runs: list[list[Box]] = []
    for box in boxes:
        last = runs[-1][-1] if runs else None
        follows = last is not None and box.inputs == (last.name,) and readers[last.name] == 1
        if follows and last is not None and box.panel is not None and alike(last, box):
            runs[-1].append(box)
        else:
            runs.append([box])
    groups = [group for run in runs for group in ([run] if len(run) >= least else [[box] for box in run])]
    homes = {box.name: group[0].name for group in groups for box in group}
    return [
        replace(
            group[0],
            inputs=tuple(homes.get(source, source) for source in group[0].inputs),
            shape=group[0].shape if group[0].shape == group[-1].shape else f"{group[0].shape} ... {group[-1].shape}",
            repeats=sum(box.repeats for box in group),
            last=group[-1].last or group[-1].name,
        )
        for group in groups
    ]
