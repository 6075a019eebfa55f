"""Says where two networks differ: in attributes, structure, weights and values.

`diff(a, b)` returns `Findings`; `lines(findings)` are its words, `as_json(findings)` its facts, and
`write_page(findings, path)` a page with a diagram.
"""

from parity.diff.findings import Findings, as_json, compare, diff
from parity.diff.page import write_page
from parity.diff.sides import Side, read_side, read_sides
from parity.diff.words import lines

__all__ = ["Findings", "Side", "as_json", "compare", "diff", "lines", "read_side", "read_sides", "write_page"]
