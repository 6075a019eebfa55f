"""What `lockstep` has measured, step by step."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from netspec.compare import largest_of, tensor_differences
from netspec.init import Weights
from parity.lockstep.judge import Finding, Verdict
from parity.lockstep.side import Error, Taken
from parity.lockstep.stages import UNITS, rounding_of_sums
from trainspec.task import Task


@dataclass(frozen=True)
class JudgedStep:
    """One judged step. `drift` is between both trainings before it, by the part of the state.

    `shares` has, for each framework and stage, the tensor with the largest error as a share of what rounding explains.
    """

    step: int
    losses: dict[str, float]
    differences: dict[str, float]
    shares: dict[str, dict[str, tuple[str, Error]]]
    drift: dict[str, float]
    findings: tuple[Finding, ...]


@dataclass
class Record:
    """All of a session: what was trained, and every judged step. `unjudged` are parameters below the floor.

    `diverged` is the step (from 1) in which PyTorch's loss, or the state that it began with, was not finite. The
    session ended there. None without one.
    """

    task: Task = field(repr=False)
    steps: int
    every: int
    judged: list[JudgedStep] = field(default_factory=list)
    unjudged: set[str] = field(default_factory=set)
    drift: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    diverged: int | None = None

    @property
    def judges_rounding(self) -> bool:
        """Whether rounding explains less than the whole of a sum over a batch's pixels. Else it explains any step."""
        batch = (self.task.batch_size, *self.task.graph.input_shape[1:])
        return rounding_of_sums(UNITS[self.task.recipe.precision], batch) < 1

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for one in self.judged for finding in one.findings)

    @property
    def status(self) -> int:
        """The exit status: 1 if a step has a finding, else 2 if the training diverged, else 0."""
        return 1 if self.findings else 2 if self.diverged else 0


def judged_step(step: int, verdict: Verdict, taken: dict[str, Taken], drift: dict[str, float]) -> JudgedStep:
    """A step as the record keeps it."""
    shares = {
        name: {
            stage: max(errors.items(), key=lambda item: item[1].share) for stage, errors in one.errors.items() if errors
        }
        for name, one in taken.items()
    }
    losses = {name: one.loss for name, one in taken.items()}
    return JudgedStep(step, losses, verdict.differences, shares, drift, verdict.findings)


def drift_of(states: Mapping[str, Weights], task: Task) -> dict[str, float]:
    """The largest difference of the weights and of the statistics of two trainings, relative to a tensor's values."""
    found = {}
    for part, trainable in (("weights", True), ("statistics", False)):
        names = [name for name, param in task.graph.params.items() if param.trainable is trainable]
        one, other = ({name: state[name] for name in names} for state in states.values())
        if any(largest_of(array) > 0 for array in one.values()):
            found[part] = max(tensor_differences(one, other).values())
    return found
