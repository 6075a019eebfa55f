"""A picture of a network: its blocks in a column, and beside them each distinct block opened."""

from netspec.diagram.outline import Drawn, Marks
from netspec.diagram.svg import as_svg, draw

__all__ = ["Drawn", "Marks", "as_svg", "draw"]
