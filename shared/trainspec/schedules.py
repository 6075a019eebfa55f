"""The learning rate, one pure function of the step.

Every schedule runs over its whole training, however long a `--budget` makes it: milestones are best given as
fractions. All maths in float64; steps count from 0.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["constant", "step", "cosine", "one_cycle", "htd"]

RATE = ("lr", "learning_rate", "rate", "max_lr", "base_lr", "lr_max")  # what people call the peak elsewhere
ONE_CYCLE_RISE = 0.3  # the fraction of the steps that the rate rises, as in PyTorch's OneCycleLR
ONE_CYCLE_START = 25.0  # the peak over the first rate
ONE_CYCLE_END = 1e4  # the first rate over the last


@dataclass(frozen=True)
class Schedule:
    """A schedule and its numbers; those of other kinds are ignored.

    constant   `peak`.
    step       `peak`, then after each milestone the next of `rates`, or `gamma` times the rate before. A milestone
               below 1 is a fraction of the training, from 1 on a number of epochs.
    cosine     from `peak` to `floor` along half a cosine (1608.03983, without restarts).
    one_cycle  by cosines from `peak`/25 up to `peak` in the first 30% of the steps, then down to `peak`/250,000
               (1708.07120 in the form of PyTorch's OneCycleLR).
    htd        from `peak` to near `floor` along `(1 - tanh(lower + (upper - lower) * progress)) / 2` (1806.01593).

    `warmup_epochs` puts a linear rise to `peak` in front, at most half of the training; cosine and htd then run over
    what is left. No rate after the warm-up is below `floor`.
    """

    kind: Kind = "cosine"
    peak: float = field(default=0.1, metadata={"above": 0.0, "also": RATE})
    warmup_epochs: float = field(default=0.0, metadata={"least": 0.0, "also": ("warmup", "warm_up")})
    floor: float = field(default=0.0, metadata={"least": 0.0, "also": ("min_lr", "eta_min", "lr_min")})
    milestones: tuple[float, ...] = field(default=(), metadata={"above": 0.0})
    rates: tuple[float, ...] = field(default=(), metadata={"least": 0.0})
    gamma: float = field(default=0.1, metadata={"above": 0.0, "most": 1.0})
    lower: float = -6.0
    upper: float = 3.0

    def problem(self) -> str | None:
        """What is impossible about the numbers together, as `key: what is allowed`."""
        if self.kind == "step" and not self.milestones:
            return "milestones: a step schedule needs at least one"
        if list(self.milestones) != sorted(set(self.milestones)):
            return "milestones: must ascend"
        if self.rates and len(self.rates) != len(self.milestones):
            return f"rates: needs one for each of the {len(self.milestones)} milestones"
        if self.kind == "one_cycle" and self.warmup_epochs:
            return "warmup_epochs: must be 0 with one_cycle, which rises by itself"
        if self.floor > self.peak:
            return "floor: must not be above peak"
        if self.lower >= self.upper:
            return "lower: must be below upper"
        return None


def learning_rate(schedule: Schedule, step: int, total_steps: int, steps_per_epoch: int) -> float:
    """The rate of step `step` out of `total_steps`. The last step's is the end of the schedule, to within one step."""
    warmup = min(schedule.warmup_epochs * steps_per_epoch, total_steps / 2)
    if step < warmup:
        return schedule.peak * min(1.0, (step + 1) / warmup)
    progress = min(1.0, (step - warmup) / max(1.0, total_steps - warmup))
    match schedule.kind:
        case "constant":
            rate = schedule.peak
        case "step":
            rate = _step_rate(schedule, step, total_steps, steps_per_epoch)
        case "cosine":
            rate = _between(schedule.peak, schedule.floor, (1 - math.cos(math.pi * progress)) / 2)
        case "htd":
            turn = schedule.lower + (schedule.upper - schedule.lower) * progress
            rate = _between(schedule.peak, schedule.floor, (1 + math.tanh(turn)) / 2)
        case "one_cycle":
            rate = _one_cycle_rate(schedule.peak, step, total_steps)
    return max(rate, schedule.floor)


def _between(start: float, end: float, fraction: float) -> float:
    return start + (end - start) * fraction


def _step_rate(schedule: Schedule, step: int, total_steps: int, steps_per_epoch: int) -> float:
    training, epochs = step / total_steps, step / steps_per_epoch
    passed = sum((training if milestone < 1 else epochs) >= milestone for milestone in schedule.milestones)
    if not schedule.rates:
        return float(schedule.peak * schedule.gamma**passed)
    return (schedule.peak, *schedule.rates)[passed]


def _one_cycle_rate(peak: float, step: int, total_steps: int) -> float:
    first = peak / ONE_CYCLE_START
    summit = max(ONE_CYCLE_RISE * total_steps - 1, 0.0)  # PyTorch's count: the last step is `total_steps - 1`
    if step <= summit:
        return _between(first, peak, (1 - math.cos(math.pi * step / max(summit, 1e-9))) / 2)
    fall = min(1.0, (step - summit) / max(total_steps - 1 - summit, 1e-9))
    return _between(peak, first / ONE_CYCLE_END, (1 - math.cos(math.pi * fall)) / 2)
