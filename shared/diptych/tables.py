"""Tables for the pages that a run writes."""

from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: names on the left, in the first column, and figures on the right."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, [":--", *["--:"] * (len(head) - 1)], *rows))
