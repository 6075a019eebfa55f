"""Lets signals end a command between two pieces of work instead of in the middle of one.

A KeyboardInterrupt inside a framework may crash it, and one inside a write may leave half a file. During
`between_steps`, Ctrl-C, SIGTERM (`docker stop`, SLURM) and SIGHUP only set a flag. `check` reads the flag. The training
loop calls it before every step; other long work (reading images, evaluating, verifying) calls it between batches.
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
ECHO_SECONDS = 1.0  # nox and the shell each pass on the same Ctrl-C: signals this close together are one request

_asked: int | None = None  # the signal that is not answered yet


def check() -> None:
    """Raise `Stopped` if a signal arrived. Raises once per request, so that results can still be saved afterwards.

    In other threads than the main one this does nothing: a thread that makes batches would answer in its place.
    """
    global _asked
    if _asked is not None and threading.current_thread() is threading.main_thread():
        number, _asked = _asked, None
        raise Stopped(number)


def until_stopped(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, with a `check` before each one."""
    for item in items:
        check()
        yield item


@contextmanager
def between_steps() -> Iterator[None]:
    """Turn signals into the flag that `check` reads. A second request, a second or more later, exits at once.

    Also works as a decorator. Signals that are ignored (as under `nohup`) stay ignored. Outside the main thread this
    does nothing.
    """
    global _asked
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _asked = None  # forget a signal from earlier work, which has ended
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    found = {number: signal.getsignal(number) for number in SIGNALS}
    # None is a handler of another language, which Python cannot set again.
    kept = {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}
    # Python runs handlers only between its own instructions, and a framework's step may take many seconds.
    # The descriptor is written at once, so the thread sees a second request in time.
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
    check()  # for a signal after the last check: the work is done, but the exit status is not 0


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
