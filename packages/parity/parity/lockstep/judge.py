"""Judges one step: the two float64 steps from one state, both updates against NumPy, and what rounding explains."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from netspec.compare import limits, tensor_differences
from netspec.init import Weights
from parity.lockstep.side import Taken
from parity.lockstep.stages import STAGES, belongs
from parity.numpy_update import updated
from parity.titles import title_of
from trainspec.optim import StepSettings
from trainspec.task import Task


@dataclass(frozen=True)
class Finding:
    """A stage of a step that is wrong, the tensor that is furthest apart, and between what.

    `formula`: the float64 steps differ, or an update and NumPy's. Otherwise a step in the precision asked for, named
    second in `between`, is further from its float64 step than rounding explains.
    """

    step: int
    stage: str
    tensor: str
    between: tuple[str, str]
    error: float
    limit: float
    formula: bool

    def __str__(self) -> str:
        one, other = map(title_of, self.between)
        apart = f"{one} and {other} differ by" if self.formula else f"{one} in {other} differs from its float64 step by"
        limit = "limit" if self.formula else "rounding explains"
        return f"step {self.step}, {self.stage}: {apart} {self.error:.1e} in '{self.tensor}' ({limit} {self.limit:.1e})"


@dataclass(frozen=True)
class Verdict:
    """The findings of a step, and its largest float64 difference of each stage; `update by NumPy` is one more."""

    findings: tuple[Finding, ...]
    differences: dict[str, float]


def judge_step(step: int, task: Task, now: StepSettings, state: Weights, taken: Mapping[str, Taken]) -> Verdict:
    """Judge step `step` (from 1), which both frameworks took from `state` with the settings `now`."""
    findings: list[Finding] = []
    worst: dict[str, float] = {}

    def note(stage: str, key: str, between: tuple[str, str], found: Mapping[str, float]) -> bool:
        if not found:
            return False
        tensor = max(found, key=lambda name: np.inf if np.isnan(found[name]) else found[name])
        value = found[tensor]
        worst[key] = max(worst.get(key, 0.0), value)
        if value <= limits().float64:
            return False
        findings.append(Finding(step, stage, tensor, between, value, limits().float64, formula=True))
        return True

    updates = [
        note("update", "update by NumPy", (name, "numpy"), against_numpy(task, now, state, one))
        for name, one in taken.items()
    ]
    for between in pairwise(taken):
        causes: set[str] = set()
        for stage in STAGES:
            found = between_sides(stage, *(taken[name] for name in between))
            # A stage is judged where those that it follows from are equal, and where NumPy did not name it already.
            if (
                not causes & FOLLOWS[stage]
                and not (stage == "update" and any(updates))
                and note(stage, stage, between, found)
            ):
                causes.add(stage)
    return Verdict((*findings, *_roundings(step, task, taken)), worst)


FOLLOWS = {
    "forward": set[str](),
    "gradient": {"forward"},
    "statistics": {"forward"},
    "update": {"forward", "gradient"},
}


def between_sides(stage: str, one: Taken, other: Taken) -> dict[str, float]:
    """How far the float64 steps of two sides are apart at a stage, each tensor relative to its kind."""
    a, b = getattr(one.exact, stage), getattr(other.exact, stage)
    if stage == "forward":
        return {name: value for key in a for name, value in differences({key: a[key]}, {key: b[key]}).items()}
    if stage == "update":
        small = one.unjudged
        a, b = ({name: array for name, array in side.items() if not belongs(name, small)} for side in (a, b))
    return by_kind(a, b, one)


def against_numpy(task: Task, now: StepSettings, state: Weights, one: Taken) -> dict[str, float]:
    """How far a side's update is from NumPy's with that side's gradients. The average of statistics is left out."""
    expected = updated(task.recipe.optimizer, task.groups, now, state, one.exact.gradient)
    return by_kind(expected, {name: one.exact.update[name] for name in expected}, one)


def by_kind(a: Weights, b: Weights, one: Taken) -> dict[str, float]:
    """`differences`, the weights, each slot and the average on their own."""
    kinds: dict[str, list[str]] = {}
    for name in a:
        known = name in one.exact.gradient or name in one.exact.statistics
        kinds.setdefault("" if known else name.partition(".")[0], []).append(name)
    found: dict[str, float] = {}
    for names in kinds.values():
        found |= differences({name: a[name] for name in names}, {name: b[name] for name in names})
    return found


def differences(a: Weights, b: Weights) -> dict[str, float]:
    """`tensor_differences`; 0 where all is zero on both sides, as slots are that an optimizer does not use."""
    if not any(np.any(array) for side in (a, b) for array in side.values()):
        return dict.fromkeys(a, 0.0)
    return tensor_differences(a, b)


def _roundings(step: int, task: Task, taken: Mapping[str, Taken]) -> list[Finding]:
    findings = []
    for name, one in taken.items():
        for stage, errors in one.errors.items():
            if not errors:
                continue
            tensor = max(errors, key=lambda key: np.nan_to_num(errors[key].share, nan=np.inf))
            error = errors[tensor]
            if not error.share <= 1:
                between = name, task.recipe.precision
                findings.append(Finding(step, stage, tensor, between, error.value, error.explained, formula=False))
                break  # what follows from it differs too
    return findings
