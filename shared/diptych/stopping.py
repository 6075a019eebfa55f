"""Signals that end a command between two pieces of its work, not in the middle of one.

A KeyboardInterrupt inside a framework may end in a crash, and one inside a write in half a file. While `between_steps`
lasts, Ctrl-C, SIGTERM (`docker stop`, SLURM) and SIGHUP only set a flag. `check` looks at it: the training loop calls
it before every step, and whatever else takes long (reading images, evaluating, verifying) between two batches.
"""

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from deploy.shell import Stopped

Item = TypeVar("Item")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ECHO_SECONDS = 1.0  # nox and the shell each pass one Ctrl-C on: what arrives so soon after it is the same request

_asked: int | None = None  # the signal that nobody has answered yet


def check() -> None:
    """Raise `Stopped` if a signal arrived: once for each request, so that what is there can be kept afterwards."""
    global _asked
    if _asked is not None:
        number, _asked = _asked, None
        raise Stopped(number)


def until_stopped(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, with a `check` before each."""
    for item in items:
        check()
        yield item


@contextmanager
def between_steps() -> Iterator[None]:
    """Turn signals into the flag that `check` looks at. A second request, a second or more later, ends at once.

    Also a decorator. Signals that are ignored (as under `nohup`) stay ignored. Outside the main thread nothing changes.
    """
    global _asked
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _asked = None  # of work before this, which has ended
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    kept = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) is not signal.SIG_IGN}
    # Python runs handlers between two of its own instructions, and a framework's step may take many seconds.
    # The descriptor is written to at once, so that the thread hears of a second request in time.
    outer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in kept:
        signal.signal(number, lambda number, frame: None)
    threading.Thread(target=_listen, args=(reader, frozenset(kept)), name="signals", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(outer)
        for number, handler in kept.items():
            signal.signal(number, handler)
        os.close(writer)  # ends the thread
    check()  # what arrived after the last look: the work is done, and whoever asked sees a status that is not 0


def _listen(reader: int, numbers: frozenset[int]) -> None:
    global _asked
    first: float | None = None
    while received := os.read(reader, 1):
        if received[0] not in numbers:
            continue
        now = time.monotonic()
        if first is None:
            first, _asked = now, received[0]
        elif now - first > ECHO_SECONDS:
            os._exit(128 + received[0])
    os.close(reader)
