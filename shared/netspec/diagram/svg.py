"""The picture as SVG: the network as a column on the left, the opened blocks to its right."""

import re
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree as Tree

from netspec.blocks import stage_of
from netspec.diagram.outline import TIMES, UNMARKED, Box, Drawn, Marks, Panel, outline, outside_of, shape_of
from netspec.diagram.place import HEIGHT, Drawing, Rectangle, place, width_of
from netspec.graph import Graph
from netspec.labels import letter

MARGIN, HEAD, INSET, TAIL = 24.0, 46.0, 14.0, 18.0  # of the page; of a panel: its title, border and final arrow
ASPECT = 1.6  # target ratio of width to height of the page
SMALL = 10.5
FILLS = {"input": "#ffffff", "layer": "#e3ecf7", "pool": "#f6e3df", "join": "#fbf0d0", "other": "#eeeeee"}
BLOCKS = ("#cfe8d5", "#e2d9f0", "#fde0c5", "#cde7ee", "#f6d5e3", "#e6e8c3", "#d6dcf5", "#e9d8c9")
STYLE = f"""
text {{ font: 12px Helvetica, Arial, "DejaVu Sans", sans-serif; fill: #222 }}
text.title {{ font-size: 17px; font-weight: bold }}
text.name {{ font-size: 13px; font-weight: bold }}
text.small {{ font-size: {SMALL}px; fill: #556 }}
.line {{ fill: none; stroke: #445; stroke-width: 1.2 }}
.box {{ stroke: #445; stroke-width: 0.8 }}
.frame {{ fill: #f7f7f9; stroke: #c8c8d0; stroke-width: 0.8 }}
"""


def as_svg(graph: Graph) -> str:
    """A drawing of a network's blocks. The same graph gives the same text."""
    return draw(graph, [f"{graph.num_trainable:,} trainable parameters · {graph.macs:,} multiply-adds for one image"])


def draw(graph: Drawn, lines: Sequence[str], marks: Marks = UNMARKED) -> str:
    """A drawing under the graph's name and `lines`. A marked box has the classes `mark-<kind>` and `level-<level>`."""
    boxes, panels = outline(graph, marks)
    root = _page(graph.name)
    right, bottom = _heading(root, graph.name, list(lines), panels)
    top = bottom + MARGIN
    width, height = _column(_group(root, MARGIN, top), graph, boxes)
    bottom = top + height
    left, right = width + 2.5 * MARGIN, max(right, MARGIN + width)
    opened = [_panel(panel, i) for i, panel in enumerate(panels)]
    corners = _packed([size for _, size in opened], left, height)
    for (group, (width, height)), (x, y) in zip(opened, corners, strict=True):
        group.set("transform", f"translate({left + x:g} {top + y:g})")
        root.append(group)
        right, bottom = max(right, left + x + width), max(bottom, top + y + height)
    size = {"width": f"{right + MARGIN:g}", "height": f"{bottom + MARGIN:g}"}
    root.attrib |= size | {"viewBox": f"0 0 {size['width']} {size['height']}"}
    Tree.indent(root, " ")
    return Tree.tostring(root, encoding="unicode") + "\n"


def _page(title: str) -> Tree.Element:
    """An empty page with the common parts: style, arrowhead, white background."""
    root = Tree.Element("svg", xmlns="http://www.w3.org/2000/svg")
    _add(root, "title", title)
    _add(root, "style", STYLE)
    arrow = {"id": "arrow", "viewBox": "0 0 8 8", "markerWidth": "7", "markerHeight": "7", "orient": "auto"}
    _add(_add(_add(root, "defs"), "marker", refX=8, refY=4, **arrow), "path", d="M 0 0.8 L 8 4 L 0 7.2 z", fill="#445")
    _add(root, "rect", width="100%", height="100%", fill="white")
    return root


def _heading(root: Tree.Element, name: str, lines: list[str], panels: Sequence[Panel]) -> tuple[float, float]:
    """Write name, lines and, if needed, how to read varying numbers. Returns the right and lower edges."""
    numbers = " ".join(number for panel in panels for box in panel.boxes for number in box.numbers)
    if "|" in numbers or "..." in numbers:
        lines.append("Between bars: different numbers of channels in the order of use. ... stands for more of them.")
    _text(root, name, MARGIN, MARGIN + 12, css="title")
    for i, line in enumerate(lines):
        _text(root, line, MARGIN, MARGIN + 32 + 15 * i, css="small")
    return MARGIN + max((width_of(line, SMALL) for line in lines), default=0.0), MARGIN + 32 + 15 * (len(lines) - 1)


def _column(parent: Tree.Element, graph: Drawn, boxes: list[Box]) -> tuple[float, float]:
    """Draw the network from the image down, with stage names on the left. Returns width and height."""
    image = [Box(source, "input", source, shape_of(graph.inputs[source])) for source in outside_of(boxes)]
    drawing = place([*image, *boxes], lambda box: width_of(_caption(box)) + 14 + width_of(box.shape, SMALL))
    stages = list(_stages(boxes))
    gutter = 20 + max((width_of(name, SMALL) for name, _, _ in stages), default=0)
    group = _group(parent, gutter, 0)
    places = {rectangle.box.name: rectangle for rectangle in drawing.rectangles}
    for name, members, framed in stages:
        top, bottom = places[members[0].name].y, places[members[-1].name].y + HEIGHT
        if framed:
            _add(group, "rect", x=-8, y=top - 6, width=drawing.width + 16, height=bottom - top + 12, rx=5, css="frame")
        _text(group, name, -14, (top + bottom) / 2 + 4, css="small", anchor="end")
    _draw(group, drawing, shapes=True)
    return gutter + drawing.width + 8, drawing.height + TAIL


def _stages(boxes: Sequence[Box]) -> list[tuple[str, list[Box], bool]]:
    """Names to write beside consecutive boxes, and whether to frame them."""
    found = []
    for (stage, block), group in groupby(boxes, lambda box: (stage_of(box.name), box.kind == "block")):
        members = list(group)
        first, inner = members[0], "." in members[0].name
        if len(members) > 1 or (block and inner):
            found.append((stage, members, True))
        elif not inner:
            found.append((_range(first.name, first.last), members, False))
    return found


def _range(first: str, last: str) -> str:
    """`inception_a1 ... 4` for the first and the last name of some repeats."""
    number = re.search(r"\d*$", last)
    return f"{first} ... {number[0]}" if number and number[0] and last != first else first


def _panel(panel: Panel, place_of: int) -> tuple[Tree.Element, tuple[float, float]]:
    """An opened block as a group, with its width and height."""
    boxes = panel.boxes
    inputs = [
        Box(source, "input", shape, "") for source, shape in zip(outside_of(panel.drawn[0]), panel.shapes, strict=True)
    ]
    drawing = place([*inputs, *boxes], lambda box: width_of(_caption(box)))
    title, uses = f"{letter(place_of)}  {panel.function}", _uses(panel)
    width = 2 * INSET + max(drawing.width, width_of(title, 14), width_of(uses, SMALL))
    height = HEAD + drawing.height + TAIL + INSET + 16
    group = Tree.Element("g")
    _add(group, "rect", width=width, height=height, rx=6, css="frame")
    _add(group, "path", d=f"M 0 {HEAD - 8:g} V 6 Q 0 0 6 0 H {width - 6:g} Q {width:g} 0 {width:g} 6 V {HEAD - 8:g} z")
    group[-1].set("fill", BLOCKS[place_of % len(BLOCKS)])
    _text(group, title, INSET, 17, css="name")
    _text(group, uses, INSET, 32, css="small")
    inner = _group(group, (width - drawing.width) / 2, HEAD)
    _draw(inner, drawing)
    for end in drawing.ends:
        if _covered(drawing, end):  # only where two graphs are drawn
            continue
        _text(inner, end.box.shape, end.x + end.width / 2, end.y + HEIGHT + TAIL + 13, css="small", anchor="middle")
    return group, (width, height)


def _covered(drawing: Drawing, end: Rectangle) -> bool:
    """Whether a box is where the shape below an end would be written."""
    middle, half, y = end.x + end.width / 2, width_of(end.box.shape, SMALL) / 2, end.y + HEIGHT + TAIL + 8
    return any(
        at.x <= middle + half and middle - half <= at.x + at.width and at.y <= y <= at.y + HEIGHT
        for at in drawing.rectangles
    )


def _uses(panel: Panel) -> str:
    uses = panel.uses
    return ", ".join(uses) if len(uses) < 4 else f"{len(uses)} of them, from {uses[0]} to {uses[-1]}"


def _packed(sizes: Sequence[tuple[float, float]], left: float, least: float) -> list[tuple[float, float]]:
    """Upper left corners of panels in columns, top down and then to the right, for the most compact page.

    `left` is where the panels begin; `least` is the height of the page without them.
    """
    heights = [height + MARGIN for _, height in sizes]
    limits = {sum(heights[i:j]) for i in range(len(sizes)) for j in range(i + 1, len(sizes) + 1)}
    tried = [_in_columns(sizes, limit) for limit in sorted(limits) if limit >= max(heights)]

    def extent(corners: list[tuple[float, float]]) -> float:
        rights = [x + width for (x, _), (width, _) in zip(corners, sizes, strict=True)]
        bottoms = [y + height for (_, y), (_, height) in zip(corners, sizes, strict=True)]
        return max((left + max(rights)) / ASPECT, least, *bottoms)

    return min(tried, key=extent, default=[])


def _in_columns(sizes: Sequence[tuple[float, float]], limit: float) -> list[tuple[float, float]]:
    corners, x, y, widest = [], 0.0, 0.0, 0.0
    for width, height in sizes:
        if y + height + MARGIN > limit + 0.01:
            x, y, widest = x + widest + MARGIN, 0.0, 0.0
        corners.append((x, y))
        y, widest = y + height + MARGIN, max(widest, width)
    return corners


def _caption(box: Box) -> str:
    """The text in a box, as `B  bottleneck  x3`."""
    name = f"{letter(box.panel)}  {box.text}" if box.panel is not None else box.text
    return f"{name}  {TIMES}{box.repeats}" if box.repeats > 1 else name


def _draw(parent: Tree.Element, drawing: Drawing, *, shapes: bool = False) -> None:
    """Draw lines first and boxes over them; `shapes` adds the shapes on the right."""
    ends = [(end.x + end.width / 2, end.y + HEIGHT) for end in drawing.ends]
    for points in [*drawing.lines, *([(x, y), (x, y + TAIL)] for x, y in ends)]:
        path = "M " + " L ".join(f"{x:g} {y:g}" for x, y in points)
        _add(parent, "path", d=path, css="line").set("marker-end", "url(#arrow)")
    for at in drawing.rectangles:
        box, middle = at.box, at.y + HEIGHT / 2 + 4
        fill = FILLS[box.kind] if box.panel is None else BLOCKS[box.panel % len(BLOCKS)]
        corner = HEIGHT / 2 if box.kind in ("input", "join") else 3
        _add(parent, "rect", x=at.x, y=at.y, width=at.width, height=HEIGHT, rx=corner, fill=fill, css=_classes(box))
        if shapes:
            _text(parent, _caption(box), at.x + 9, middle)
            _text(parent, box.shape, at.x + at.width - 9, middle, css="small", anchor="end")
        else:
            _text(parent, _caption(box), at.x + at.width / 2, middle, anchor="middle")


def _classes(box: Box) -> str:
    names = ["box", f"mark-{box.mark}" if box.mark else "", f"level-{box.level}" if box.level else ""]
    return " ".join(filter(None, names))


def _group(parent: Tree.Element, x: float, y: float) -> Tree.Element:
    return _add(parent, "g", transform=f"translate({x:g} {y:g})")


def _text(parent: Tree.Element, text: str, x: float, y: float, *, css: str = "", anchor: str = "") -> None:
    element = _add(parent, "text", text, x=x, y=y, css=css)
    if anchor:
        element.set("text-anchor", anchor)


def _add(parent: Tree.Element, tag: str, text: str = "", css: str = "", **attributes: float | str) -> Tree.Element:
    written = {key: value if isinstance(value, str) else f"{value:g}" for key, value in attributes.items()}
    element = Tree.SubElement(parent, tag, written | ({"class": css} if css else {}))
    element.text = text or None
    return element
