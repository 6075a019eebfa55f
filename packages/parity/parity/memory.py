"""Memory between comparisons: modules and models are full of cycles, and a VGG is a gigabyte."""

import gc

_frozen = False


def release() -> None:
    """Collect what is garbage, and leave alone what was there at the first call.

    The frameworks' imports leave a million objects behind; looking at them each time would take a second.
    """
    global _frozen
    gc.collect()
    if not _frozen:
        gc.freeze()
        _frozen = True
