"""The learning rate as a pure function of the step. Each kind of schedule is a dataclass with its own parameters.

A schedule spans the whole training, however long a `--budget` makes it, so milestones are best given as fractions.
All maths is in float64. Steps and epochs count from 0.

With `per = "epoch"` the rate changes once an epoch, as in the origins' code. Epoch e of E is then at e / E, and the
warm-up does not shift it: it replaces the rates of the first epochs.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from trainspec.sections import Tagged

RATE = ("lr", "learning_rate", "rate", "max_lr", "base_lr", "lr_max")  # what people call the peak elsewhere
Per = Literal["step", "epoch"]


@dataclass(frozen=True)
class Place:
    """Step `step` (from 0) of a training with `total_steps` steps.

    `total_steps` is a whole number, except in a place that counts epochs (`in_epochs`).
    """

    step: int
    total_steps: float
    steps_per_epoch: int

    @property
    def epochs(self) -> float:
        """The number of epochs before this step; it may have a fraction."""
        return self.step / self.steps_per_epoch

    @property
    def in_epochs(self) -> "Place":
        """The epoch of this step, as a step of a training that counts epochs. Its total may have a fraction."""
        return Place(self.step // self.steps_per_epoch, self.total_steps / self.steps_per_epoch, 1)


@dataclass(frozen=True)
class Schedule(Tagged):
    """What every schedule has. `peak`: its highest rate. `per`: the rate changes with every step or every epoch."""

    peak: float = field(default=0.1, metadata={"above": 0.0, "also": RATE})
    per: Per = field(default="step", metadata={"also": ("by", "interval", "update")})

    def rate(self, place: Place) -> float:
        """The learning rate at a step."""
        return self.by_step(place) if self.per == "step" else self.by_epoch(place.in_epochs)

    def by_step(self, place: Place) -> float:
        """The rate of a step, for `per = "step"`."""
        raise NotImplementedError

    def by_epoch(self, place: Place) -> float:
        """The rate of an epoch, for `per = "epoch"`. `place` counts epochs."""
        return self.by_step(place)

    def problem(self) -> str | None:
        """What is wrong with the values taken together, as `key: what is allowed`; None if nothing is."""
        return None

    def late(self, last: Place) -> Iterator[str]:
        """What a training with this `last` step is too short for, in words that begin with the key."""
        yield from ()


@dataclass(frozen=True)
class WarmedUp(Schedule):
    """A schedule with `warmup_epochs` (W) first rises linearly to `peak` over them, at most half of the training.

    With `per = "epoch"`, epoch e of the warm-up has the rate `(peak - floor) / W * (e + 0.5)` (origin 3).
    """

    warmup_epochs: float = field(default=0.0, metadata={"least": 0.0, "also": ("warmup", "warm_up")})

    @property
    def height(self) -> float:
        """How far the rate is above its floor at the peak."""
        return self.peak

    def late(self, last: Place) -> Iterator[str]:
        if self.warmup_epochs > (half := last.in_epochs.total_steps / 2):
            yield f"warmup_epochs = {self.warmup_epochs:g} is cut to {half:.4g}"

    def by_epoch(self, place: Place) -> float:
        warmup = min(self.warmup_epochs, place.total_steps / 2)
        if place.step < warmup:
            return min(self.peak, self.height / warmup * (place.step + 0.5))
        return self.after_warmup(place, place.step / place.total_steps)

    def by_step(self, place: Place) -> float:
        warmup = min(self.warmup_epochs * place.steps_per_epoch, place.total_steps / 2)
        if place.step < warmup:
            return self.peak * min(1.0, (place.step + 1) / warmup)
        return self.after_warmup(place, min(1.0, (place.step - warmup) / max(1.0, place.total_steps - warmup)))

    def after_warmup(self, place: Place, progress: float) -> float:
        """The rate after the warm-up. `progress`, from 0 to 1, is the fraction of the rest that is done."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(WarmedUp):
    """`peak` at every step."""

    kind = "constant"

    def after_warmup(self, place: Place, progress: float) -> float:
        return self.peak


@dataclass(frozen=True)
class Step(WarmedUp):
    """`peak` first. After each milestone comes the next of `rates`, or without `rates` `gamma` times the last rate.

    A milestone below 1 is a fraction of the training. From 1 on it is a number of epochs.
    """

    kind = "step"

    milestones: tuple[float, ...] = field(default=(), metadata={"above": 0.0})
    rates: tuple[float, ...] = field(default=(), metadata={"least": 0.0})
    gamma: float = field(default=0.1, metadata={"above": 0.0, "most": 1.0})

    def problem(self) -> str | None:
        if not self.milestones:
            return "milestones: a step schedule needs at least one"
        if list(self.milestones) != sorted(set(self.milestones)):
            return "milestones: must be in ascending order"
        if self.rates and len(self.rates) != len(self.milestones):
            return f"rates: needs one for each of the {len(self.milestones)} milestones"
        return None

    def late(self, last: Place) -> Iterator[str]:
        yield from super().late(last)
        if never := self.milestones[self.passed(last if self.per == "step" else last.in_epochs) :]:
            yield f"milestones has {', '.join(f'{one:g}' for one in never)} beyond the end"

    def passed(self, place: Place) -> int:
        """How many milestones a step has behind it."""
        training = place.step / place.total_steps
        return sum((training if one < 1 else place.epochs) >= one for one in self.milestones)

    def after_warmup(self, place: Place, progress: float) -> float:
        passed = self.passed(place)
        return (self.peak, *self.rates)[passed] if self.rates else float(self.peak * self.gamma**passed)


@dataclass(frozen=True)
class Falling(WarmedUp):
    """A schedule with `floor` falls from `peak` to it."""

    floor: float = field(default=0.0, metadata={"least": 0.0, "also": ("min_lr", "eta_min", "lr_min")})

    def problem(self) -> str | None:
        return "floor: must not be above peak" if self.floor > self.peak else None

    @property
    def height(self) -> float:
        return self.peak - self.floor

    def after_warmup(self, place: Place, progress: float) -> float:
        return max(between(self.peak, self.floor, self.fallen(progress)), self.floor)

    def fallen(self, progress: float) -> float:
        """The fraction of the way down that is done, from 0 to 1."""
        raise NotImplementedError


@dataclass(frozen=True)
class Linear(Falling):
    """From `peak` to `floor` along a straight line."""

    kind = "linear"

    def fallen(self, progress: float) -> float:
        return progress


@dataclass(frozen=True)
class Polynomial(Falling):
    """From `peak` to `floor` along `(1 - progress) ** power`, as PyTorch's PolynomialLR with `floor` 0."""

    kind = "polynomial"

    power: float = field(default=2.0, metadata={"above": 0.0})

    def fallen(self, progress: float) -> float:
        return float(1 - (1 - progress) ** self.power)


@dataclass(frozen=True)
class Cosine(Falling):
    """From `peak` to `floor` along half a cosine (1608.03983, without restarts)."""

    kind = "cosine"

    def fallen(self, progress: float) -> float:
        return (1 - math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class HTD(Falling):
    """From `peak` to near `floor` along `(1 - tanh(lower + (upper - lower) * progress)) / 2` (1806.01593)."""

    kind = "htd"

    lower: float = -6.0
    upper: float = 3.0

    def problem(self) -> str | None:
        return "lower: must be below upper" if self.lower >= self.upper else super().problem()

    def fallen(self, progress: float) -> float:
        return (1 + math.tanh(self.lower + (self.upper - self.lower) * progress)) / 2


@dataclass(frozen=True)
class OneCycle(Schedule):
    """A cosine up to `peak` in the fraction `rise` of the steps, then one down to the last rate.

    The first rate is `peak / first_divisor`, the last one is the first rate divided by `last_divisor`. This is
    1708.07120 in the form of PyTorch's OneCycleLR, with its defaults. The rise is the warm-up, so there is no
    `warmup_epochs`.
    """

    kind = "one_cycle"

    rise: float = field(default=0.3, metadata={"above": 0.0, "below": 1.0, "also": ("pct_start",)})
    first_divisor: float = field(default=25.0, metadata={"least": 1.0, "also": ("div_factor",)})
    last_divisor: float = field(default=1e4, metadata={"least": 1.0, "also": ("final_div_factor",)})

    def late(self, last: Place) -> Iterator[str]:
        length = (last if self.per == "step" else last.in_epochs).total_steps
        if self.rise * length <= 1:
            result = "the rate only falls" if length > 1 else "the only rate is the lowest"
            yield f"rise = {self.rise:g} of {length:.4g} {self.per}{'s' * (length != 1)} is not above one, so {result}"

    def by_step(self, place: Place) -> float:
        first, last = self.peak / self.first_divisor, place.total_steps - 1
        summit = self.rise * place.total_steps - 1
        if place.step <= summit and summit > 0:
            return between(first, self.peak, (1 - math.cos(math.pi * place.step / summit)) / 2)
        fall = min(1.0, (place.step - summit) / max(last - summit, 1e-9))
        return between(self.peak, first / self.last_divisor, (1 - math.cos(math.pi * fall)) / 2)


@dataclass(frozen=True)
class Triangle(Schedule):
    """A straight line from `start` times `peak` up to `peak`, then one down to `final` times `peak`.

    The peak is at step `int(rise * total)`. The defaults are those of airbench94 (KellerJordan/cifar10-airbench). The
    rise is the warm-up, so there is no `warmup_epochs`.
    """

    kind = "triangle"

    rise: float = field(default=0.23, metadata={"least": 0.0, "below": 1.0, "also": ("pct_start", "peak_at")})
    start: float = field(default=0.2, metadata={"least": 0.0, "most": 1.0, "also": ("start_factor",)})
    final: float = field(default=0.07, metadata={"least": 0.0, "most": 1.0, "also": ("end", "end_factor")})

    def by_step(self, place: Place) -> float:
        summit = int(self.rise * place.total_steps)
        if place.step < summit:
            return self.peak * between(self.start, 1.0, place.step / summit)
        return self.peak * between(1.0, self.final, min(1.0, (place.step - summit) / (place.total_steps - summit)))


AnySchedule: TypeAlias = Constant | Step | Linear | Polynomial | Cosine | HTD | OneCycle | Triangle


def learning_rate(schedule: Schedule, step: int, total_steps: int, steps_per_epoch: int) -> float:
    """The rate of step `step` out of `total_steps`. The last step reaches the schedule's end to within one step."""
    return schedule.rate(Place(step, total_steps, steps_per_epoch))


def between(start: float, end: float, fraction: float) -> float:
    """`start` at 0, `end` at 1."""
    return start + (end - start) * fraction
