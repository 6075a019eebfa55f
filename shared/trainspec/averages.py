"""The section of a recipe for an average of the weights, and what each step does to the average."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from trainspec.schedules import Place
from trainspec.sections import Tagged

NOTABLE = 0.01  # the share of the first weights in an average from which on it is said


@dataclass(frozen=True)
class Averaging:
    """What a step does to the average, after the update of the weights.

    `weight`: `average += weight * (weights - average)`. `fold`: then the weights are set to the average.
    """

    weight: float
    fold: bool


@dataclass(frozen=True)
class Average(Tagged):
    """An average of all weights and of batch norm's statistics. It begins as a copy of the initial weights.

    After every `every`-th step, `average = d * average + (1 - d) * weights` with `d = decay * (t / T) ** power`, where
    `t` of `T` steps are done. With `power` 0, `d` is constant. A network is validated and exported with its average.
    """

    folds: ClassVar[bool]

    decay: float = field(default=0.999, metadata={"least": 0.0, "below": 1.0, "also": ("momentum", "beta")})
    every: int = field(default=1, metadata={"least": 1, "also": ("k", "steps", "period")})
    power: float = field(default=0.0, metadata={"least": 0.0})

    def at(self, place: Place) -> Averaging | None:
        """What step `place` does; None if it leaves the average alone."""
        done = place.step + 1
        if done % self.every == 0:
            return Averaging(1 - self.decay * (done / place.total_steps) ** self.power, self.folds)
        return None

    def late(self, last: Place) -> Iterator[str]:
        """What a training with this `last` step is too short for, in words that begin with the key."""
        if self.every > last.total_steps:
            yield f"every = {self.every} leaves the average at the first weights, and these are exported"
        elif not self.folds and (share := self.first_share(last.total_steps)) > NOTABLE:
            yield f"decay = {self.decay:g} leaves {share:.0%} of the first weights in the average, which is exported"

    def first_share(self, steps: float) -> float:
        """How much of the first weights an average that is not folded has after a training of so many steps."""
        count = int(steps // self.every)
        if not self.decay:
            return float(not count)
        powers = count * math.log(self.every / steps) + math.lgamma(count + 1)  # of all t / T, multiplied
        return math.exp(count * math.log(self.decay) + self.power * powers)


@dataclass(frozen=True)
class EMA(Average):
    """The exponential moving average."""

    kind = "ema"
    folds = False


@dataclass(frozen=True)
class Lookahead(Average):
    """Lookahead (1907.08610): after each update of the average, the weights are set to it, and so after the last step.

    The paper's `alpha` is `1 - decay`. airbench has `decay = 0.7738` (0.95 to the power of 5) and `power = 3`.
    """

    kind = "lookahead"
    folds = True

    decay: float = field(default=0.5, metadata={"least": 0.0, "below": 1.0})
    every: int = field(default=5, metadata={"least": 1, "also": ("k", "steps", "period")})

    def at(self, place: Place) -> Averaging | None:
        last = place.step + 1 == place.total_steps
        return super().at(place) or (Averaging(0.0, self.folds) if last else None)


AnyAverage: TypeAlias = EMA | Lookahead
