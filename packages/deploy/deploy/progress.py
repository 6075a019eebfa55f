"""Shows on a terminal how far long work is: one line on stderr that is written over. Standard library only."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

Item = TypeVar("Item")

PATIENCE = 1.0  # seconds of work before the first line
EVERY = 0.2  # seconds between two lines
_CLEAR = "\r\x1b[K"


def counted(items: Iterable[Item], what: str, total: int, *, streams: bool = False) -> Iterator[Item]:
    """The same items. If stderr is a terminal, a line counts them; it is gone at the end.

    `streams`: standard output gets an answer for each item. On a terminal the line would be written into them, so there
    is none.
    """
    if not sys.stderr.isatty() or (streams and sys.stdout.isatty()):
        yield from items
        return
    begin = time.monotonic()
    shown = begin + PATIENCE - EVERY
    try:
        for done, item in enumerate(items, 1):
            yield item
            now = time.monotonic()
            if now - shown >= EVERY:
                shown = now
                _show(f"\r{line(done, total, now - begin, what)}\x1b[K")
    finally:
        _show(_CLEAR)


def line(done: int, total: int, seconds: float, what: str) -> str:
    """`120 of 400 images, 60 a second, 5 s left`."""
    pace = done / max(seconds, 1e-9)
    left = (total - done) / pace
    clock = f"{left:.0f} s" if left < 100 else f"{left / 60:.0f} min"
    return f"{done:,} of {total:,} {what}, {pace:,.3g} a second, {clock} left"


def _show(text: str) -> None:
    with suppress(OSError, ValueError):
        print(text, end="", file=sys.stderr, flush=True)
