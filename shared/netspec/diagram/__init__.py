"""A picture of a network: its blocks in a column, and beside them each distinct block opened."""

from netspec.diagram.svg import as_svg

__all__ = ["as_svg"]
