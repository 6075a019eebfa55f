"""Decides where boxes and lines go: chains of boxes become straight columns, with branches side by side.

A graph is cut into chains, the longest first. Each chain is a column in which boxes and lines run straight down. An
edge outside every chain, such as a shortcut, gets its own narrow lane. Columns that are not used at the same height
share a place. Places are ordered so that the fewest lines cross.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise

from netspec.diagram.outline import Box

LARGE = 500  # from this many boxes on, places keep the order of the chains: trying others takes quadratic time


@dataclass(frozen=True)
class Edge:
    """A line from box to box. It runs straight down at `place`; its ends may lead sideways to the boxes."""

    source: str
    target: str
    place: int


@dataclass(frozen=True)
class Arrangement:
    """Rank (from the top) and place (from the left) of every box, and the lines between boxes."""

    boxes: dict[str, Box]
    ranks: dict[str, int]
    places: dict[str, int]
    edges: list[Edge]

    @cached_property
    def spans(self) -> dict[str, tuple[int, int]]:
        """The first and last place that a box covers: inputs and joins stretch to the lines that they meet."""
        spans = {}
        for name, box in self.boxes.items():
            met = [self.places[name]]
            met += [e.place for e in self.edges if e.target == name]
            if box.kind == "input":
                met += [e.place for e in self.edges if e.source == name]
            spans[name] = (min(met), max(met))
        return spans

    def moved(self, order: Sequence[int]) -> "Arrangement":
        """The arrangement with the old place `order[i]` at place `i`."""
        new = {old: place for place, old in enumerate(order)}
        places = {name: new[place] for name, place in self.places.items()}
        return Arrangement(self.boxes, self.ranks, places, [Edge(e.source, e.target, new[e.place]) for e in self.edges])

    @property
    def clutter(self) -> float:
        """A cost: mostly boxes in the way of others, then crossing lines, then the length of sideways lines."""
        covered = crossed = 0
        for name, (first, last) in self.spans.items():
            rank = self.ranks[name]
            covered += sum(self.ranks[o] == rank and first <= p <= last for o, p in self.places.items() if o != name)
            covered += sum(first <= e.place <= last and self._passes(e, rank) for e in self.edges)
        length, turns = 0.0, 0
        for e in self.edges:
            home = self.places[e.source]
            low, high = sorted((home, e.place))
            gap = self.ranks[e.source] + 0.5
            crossed += sum(low < o.place < high and self._passes(o, gap) for o in self.edges if o.source != e.source)
            length += high - low + abs(e.place - self.places[e.target])
        for one, other in combinations(self.edges, 2):
            turns += one.target == other.target and one.place > other.place
        return 1000 * covered + 10 * crossed + length + 0.5 * turns

    def _passes(self, edge: Edge, height: float) -> bool:
        return self.ranks[edge.source] < height < self.ranks[edge.target]


def arrange(boxes: Sequence[Box]) -> Arrangement:
    """Arrange boxes that are in topological order, those without inputs first."""
    ranks: dict[str, int] = {}
    for box in boxes:
        ranks[box.name] = max((ranks[source] + 1 for source in box.inputs), default=0)
    places, lines = _places(boxes, _chains(boxes), ranks)
    edges = [Edge(source, box.name, lines[source, box.name]) for box in boxes for source in box.inputs]
    return _untangled(Arrangement({box.name: box for box in boxes}, ranks, places, edges))


def _chains(boxes: Sequence[Box]) -> list[list[str]]:
    """Split the boxes into chains: the longest chain, then the longest chain of the rest, and so on."""
    left = {box.name: box for box in boxes}
    chains = []
    while left:
        lengths: dict[str, int] = {}
        for name, box in left.items():
            lengths[name] = 1 + max((lengths[source] for source in box.inputs if source in left), default=0)
        name = max(lengths, key=lambda name: lengths[name])
        chain = [name]
        while before := [
            source for source in left[name].inputs if source in left and lengths[source] == lengths[name] - 1
        ]:
            name = before[0]
            chain.append(name)
        chains.append(chain[::-1])
        for name in chain:
            del left[name]
    return chains


def _places(
    boxes: Sequence[Box], chains: list[list[str]], ranks: dict[str, int]
) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """A place for every box and every edge. Lanes come after columns, and share places only with lanes."""
    readers: dict[str, list[str]] = {}
    for box in boxes:
        for source in box.inputs:
            readers.setdefault(source, []).append(box.name)
    inputs = {box.name: box.inputs for box in boxes}
    places: dict[str, int] = {}
    lines: dict[tuple[str, str], int] = {}
    columns: list[list[tuple[int, int]]] = []
    for chain in chains:
        before = [source for source in inputs[chain[0]] if source in places][-1:]
        behind = [reader for reader in readers.get(chain[-1], ()) if reader in places][:1]
        path = [*before, *chain, *behind]
        place = _free(columns, 0, ranks[path[0]], ranks[path[-1]] if behind else len(boxes))
        places |= dict.fromkeys(chain, place)
        lines |= dict.fromkeys(pairwise(path), place)
    first_lane = len(columns)
    for target, sources in inputs.items():
        for source in sources:
            if (source, target) not in lines:
                lines[source, target] = _free(columns, first_lane, ranks[source], ranks[target])
    return places, lines


def _free(columns: list[list[tuple[int, int]]], first: int, top: int, bottom: int) -> int:
    """The first place from `first` on that is unused between the two ranks; marks it as used."""
    frees = (all(bottom <= start or end <= top for start, end in column) for column in columns[first:])
    place = next((place for place, free in enumerate(frees, first) if free), len(columns))
    if place == len(columns):
        columns.append([])
    columns[place].append((top, bottom))
    return place


def _untangled(arrangement: Arrangement) -> Arrangement:
    """Move one place at a time, as long as that reduces clutter."""
    count = 1 + max([*arrangement.places.values(), *(edge.place for edge in arrangement.edges)], default=0)
    if count == 1 or len(arrangement.boxes) > LARGE:
        return arrangement
    best = arrangement.clutter
    improved = True
    while improved:
        improved = False
        for start in range(count):
            for end in range(count):
                order = [place for place in range(count) if place != start]
                order.insert(end, start)
                tried = arrangement.moved(order)
                if (clutter := tried.clutter) < best:
                    arrangement, best, improved = tried, clutter, True
    return arrangement
