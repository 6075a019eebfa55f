"""Turns ranks and places into points: where rectangles and lines are on the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netspec.diagram.arrange import Arrangement, Edge, arrange
from netspec.diagram.outline import TIMES, Box

HEIGHT, GAP, LEVEL = 24.0, 16.0, 6.0  # of a box, between two boxes, and between lines that cross the same gap
COLUMN_GAP, LANE, PAD = 22.0, 16.0, 9.0  # between columns, of a column without boxes, around a label

Point = tuple[float, float]


@dataclass(frozen=True)
class Rectangle:
    """A box on the page; `x` and `y` are its upper left corner."""

    box: Box
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Drawing:
    """Rectangles and lines, from (0, 0) to (`width`, `height`), and the boxes that nothing reads."""

    rectangles: list[Rectangle]
    lines: list[list[Point]]
    ends: list[Rectangle]
    width: float
    height: float


def width_of(text: str, size: float = 12.0) -> float:
    """The width of a text in DejaVu Sans, a wide sans-serif font; most other fonts are narrower."""
    narrow, wide = sum(c in " il.,|:()/-·" for c in text), sum(c in f"mw{TIMES}" or c.isupper() for c in text)
    return size * (0.37 * narrow + 0.8 * wide + 0.62 * (len(text) - narrow - wide))


def place(boxes: Sequence[Box], needs: Callable[[Box], float]) -> Drawing:
    """Draw boxes that are in topological order; `needs` returns the width of a box's text."""
    plan = arrange(boxes)
    xs, widths = _columns(plan, needs)
    tops, bottom = _rows(plan)

    def rectangle(box: Box) -> Rectangle:
        first, last = plan.spans[box.name]
        left, right = xs[first] - widths[first] / 2, xs[last] + widths[last] / 2
        return Rectangle(box, left, tops[plan.ranks[box.name]], right - left)

    rectangles = [rectangle(box) for box in boxes]
    levels = _levels(plan)
    read = {edge.source for edge in plan.edges}
    return Drawing(
        rectangles,
        [_line(edge, plan, xs, tops, levels) for edge in plan.edges],
        [found for found in rectangles if found.box.name not in read],
        max(found.x + found.width for found in rectangles),
        bottom,
    )


def _columns(plan: Arrangement, needs: Callable[[Box], float]) -> tuple[list[float], list[float]]:
    """The middle and the width of each place."""
    widths = [LANE] * (1 + max([*plan.places.values(), *(edge.place for edge in plan.edges)]))
    alone = {name for name, (first, last) in plan.spans.items() if first == last}
    for name in alone:
        widths[plan.places[name]] = max(widths[plan.places[name]], needs(plan.boxes[name]) + 2 * PAD)
    for name, (first, last) in plan.spans.items():
        covered = sum(widths[first : last + 1]) + COLUMN_GAP * (last - first)
        widths[plan.places[name]] += max(0.0, needs(plan.boxes[name]) + 2 * PAD - covered)
    lefts = [sum(widths[:i]) + COLUMN_GAP * i for i in range(len(widths))]
    return [left + width / 2 for left, width in zip(lefts, widths, strict=True)], widths


def _turns(plan: Arrangement, edge: Edge) -> bool:
    """Whether a line must go sideways before it runs down."""
    first, last = plan.spans[edge.source]
    return not first <= edge.place <= last


def _levels(plan: Arrangement) -> dict[str, int]:
    """For each box with turning lines, the level below its rank at which they turn."""
    levels: dict[str, int] = {}
    used: dict[int, int] = {}
    for edge in plan.edges:
        if _turns(plan, edge) and edge.source not in levels:
            rank = plan.ranks[edge.source]
            used[rank] = used.get(rank, 0) + 1
            levels[edge.source] = used[rank]
    return levels


def _rows(plan: Arrangement) -> tuple[list[float], float]:
    """The upper edge of each rank, and the lower edge of the last rank."""
    deepest = [0] * (1 + max(plan.ranks.values()))
    for name, level in _levels(plan).items():
        deepest[plan.ranks[name]] = max(deepest[plan.ranks[name]], level)
    tops = [0.0]
    for level in deepest:
        tops.append(tops[-1] + HEIGHT + GAP + LEVEL * level)
    return tops, tops[-2] + HEIGHT


def _line(edge: Edge, plan: Arrangement, xs: list[float], tops: list[float], levels: dict[str, int]) -> list[Point]:
    x, start = xs[edge.place], tops[plan.ranks[edge.source]] + HEIGHT
    end = (x, tops[plan.ranks[edge.target]])
    if not _turns(plan, edge):
        return [(x, start), end]
    home, level = xs[plan.places[edge.source]], start + LEVEL * levels[edge.source]
    return [(home, start), (home, level), (x, level), end]
