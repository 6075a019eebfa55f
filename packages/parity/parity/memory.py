"""Memory between comparisons: modules and models are full of cycles, and a VGG is a gigabyte."""

import ctypes
import gc
import sys

_frozen = False


def release() -> None:
    """Collect what is garbage, models that Keras remembers among it, and give the memory back to the system.

    What was there at the first call is left alone: the frameworks' imports leave a million objects behind, and
    looking at them each time would take a second.
    """
    global _frozen
    if keras := sys.modules.get("keras"):
        keras.backend.clear_session()
    gc.collect()
    if not _frozen:
        gc.freeze()
        _frozen = True
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
