"""A picture of a network: its blocks in a column, and beside them each distinct block opened."""

from netspec.diagram.outline import Drawn, Marks, Picture
from netspec.diagram.svg import as_svg, draw

__all__ = ["Drawn", "Marks", "Picture", "as_svg", "draw"]
