"""A fault that is planted into a shipped trainer, to test that `lockstep` catches it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """`plant` changes the modules of the process of `framework`, before step `step` (from 1) makes its trainers anew.

    `plant` goes to that process by its name, so the process must be able to import it.
    """

    framework: str
    plant: Callable[[], None]
    step: int = 1
