"""Memory between comparisons: modules and models are full of cycles, and a VGG is a gigabyte."""

import ctypes
import gc
import sys

from diptych.machine import used_bytes

KEPT = 2**27  # bytes by which a process may grow before what it no longer uses is given back

_frozen = False
_least = 0  # bytes that the process had since the last release


def release() -> None:
    """Where the process has grown: collect what is garbage, models that Keras remembers among it, and give it back.

    What was there at the first collection is left alone: the frameworks' imports make a million objects, and
    looking at them each time would take a second.
    """
    global _frozen, _least
    now = used_bytes()
    if now is not None and now < _least + KEPT:
        _least = min(_least, now)
        return
    if keras := sys.modules.get("keras"):
        keras.backend.clear_session()
    gc.collect()
    if not _frozen:
        gc.freeze()
        _frozen = True
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    _least = used_bytes() or 0
