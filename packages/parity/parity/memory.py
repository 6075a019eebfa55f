"""Frees memory between comparisons: modules and models are full of cycles, and a VGG takes a gigabyte."""

import ctypes
import gc
import sys

from diptych.machine import used_bytes

KEPT = 2**27  # a process may grow by this many bytes before it gives unused memory back

_frozen = False
_least = 0  # the fewest bytes that the process had since the last release


def release() -> None:
    """If the process has grown, collect garbage and the models that Keras remembers, and give their memory back.

    Objects that survive the first collection are not looked at again. The frameworks' imports make a million objects,
    and looking at them each time would take a second.
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
    give_back()
    _least = used_bytes() or 0


def give_back() -> None:
    """Give memory that the allocator holds without use back to the system."""
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
