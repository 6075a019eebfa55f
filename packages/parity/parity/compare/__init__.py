"""Compares runs of one data set side by side: a page for people, and the same figures as JSON.

`compare(folders)` returns a `Comparison`; `write(comparison, folder)` writes `index.html` and `index.json`.
"""

from parity.compare.comparison import Comparison, compare
from parity.compare.page import write

__all__ = ["Comparison", "compare", "write"]
