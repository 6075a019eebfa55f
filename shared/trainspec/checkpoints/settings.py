"""The section of a recipe for checkpoints."""

import math
import re
from dataclasses import dataclass, field
from typing import Literal

from trainspec.durations import seconds_in

NEVER = "never"


@dataclass(frozen=True)
class Interval:
    """The length between two checkpoints: `seconds` of time, or a number of `steps`."""

    seconds: float = math.inf
    steps: float = math.inf

    @property
    def is_endless(self) -> bool:
        """Whether no checkpoint is asked for."""
        return self == Interval()

    def is_over(self, steps: tuple[int, int], seconds: float) -> bool:
        """Whether it ended between two steps, `seconds` after the last checkpoint. Steps count from the first one."""
        before, now = steps
        return seconds >= self.seconds or now // self.steps > before // self.steps


@dataclass(frozen=True)
class CheckpointSettings:
    """When checkpoints are written, and which weights are exported at the end.

    `every`: a time ("90s", "10m", "1h"), "200 steps", "1 epochs" (a fraction is allowed), or "never". Except with
    "never", one is also written at the end, so that a finished training can be trained further. A training that is
    interrupted always writes one. `keep`: "last" exports the last weights. "best" exports those of the epoch with
    the highest accuracy on the held-out images, the first of equals; every such epoch writes a checkpoint.
    """

    every: str = field(default="10m", metadata={"also": ("save_every", "save_freq", "save_interval", "interval")})
    keep: Literal["last", "best"] = field(default="last", metadata={"also": ("save_best", "save_best_only")})

    def problem(self) -> str | None:
        """What is wrong with the values; None if nothing is."""
        if self.interval(1) is None:
            return f'every: "{self.every}" is not allowed; give a time as 10m, or 200 steps, 1 epochs, or {NEVER}'
        return None

    def interval(self, steps_per_epoch: int) -> Interval | None:
        """The length that `every` means; None if it has no meaning."""
        if self.every == NEVER:
            return Interval()
        if seconds := seconds_in(self.every):
            return Interval(seconds=seconds)
        match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,12})?) (step|epoch)s?", self.every)
        number = float(match[1]) if match else 0.0
        if match is None or not number or (match[2] == "step" and not number.is_integer()):
            return None
        return Interval(steps=max(1, round(number * (steps_per_epoch if match[2] == "epoch" else 1))))
