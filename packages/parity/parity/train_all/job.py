"""Trains a case for its few steps, to see the loss fall."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diptych.errors import failure
from diptych.ledger import fingerprint
from diptych.machine import describe_machine
from netspec.weights import weights_hash
from parity.dependencies import digest_of_code
from parity.train_all.cases import STEPS, Case
from parity.train_all.rows import JUDGED, Row
from trainspec.recipes import to_toml
from trainspec.task import Task, first_weights
from trainspec.trainer import Framework, Trainer
from trainspec.training import steps_of

JUDGEMENT = f"""`loss`: the mean of the first {JUDGED} steps and of the last {JUDGED}; it has to fall.
`seconds`: the whole time, with building and tracing."""


class FewSteps:
    """The steps of a task: their losses, and when each step ended."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.losses: list[float] = []
        self.times: list[float] = []

    def run(self, trainer: Trainer) -> None:
        """Train through the whole schedule. Raises `TrainingError` if a loss is not finite."""
        for step, _, state in steps_of(self.task, trainer):
            self.losses.append(float(step.loss))
            self.times.append(time.monotonic())
            state.check([step.loss])

    @property
    def digest(self) -> str:
        """16 hexadecimal digits, equal where trainings begin with the same weights and plan the same batches."""
        task = self.task
        epochs = -(-task.recipe.steps(task.steps_per_epoch) // task.steps_per_epoch)
        digests = [weights_hash(task.weights), *(task.plan(epoch).digest for epoch in range(epochs))]
        return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]

    @property
    def images_per_second(self) -> float | None:
        """The speed without the first step, in which a framework may still be building."""
        if len(self.times) < 2:
            return None
        return round((len(self.times) - 1) * self.task.batch_size / max(self.times[-1] - self.times[0], 1e-9), 1)


@dataclass(frozen=True)
class Job:
    """A case to train in a framework, before its weights are drawn.

    `versions` are the versions of the packages that decide the figures.
    """

    case: Case
    framework: str
    versions: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """A hash of everything that a row depends on."""
        package, case = f"{self.framework}_impl", self.case
        roots = (("parity.train_all.job", "Job"), (f"{package}.trainer", self.framework.upper()))
        code = digest_of_code(roots, [case.graph], [package])
        images = hashlib.sha256(case.data.train.array().tobytes() + case.data.train.labels.tobytes()).hexdigest()
        return fingerprint(case.graph, to_toml(case.recipe), images, sorted(self.versions.items()), code)

    def train(self, framework: Framework) -> Row:
        """Train and return the row. Any error is in the row, as the reason why the case did not pass."""
        begin, case = time.monotonic(), self.case
        weights = first_weights(case.graph, case.recipe, case.data)
        steps = FewSteps(Task(case.network, case.graph, weights, case.data, case.data.name, case.recipe))
        device = framework.choose_device(case.recipe.precision, None).repeating(None)
        reason = failure(lambda: steps.run(framework.trainer(case.graph, weights, case.recipe, device)))
        seconds = time.monotonic() - begin
        framework.forget()
        return self.row(steps.losses, reason, seconds, steps.images_per_second, device.label, steps.digest)

    def row(
        self,
        losses: Sequence[float],
        reason: str,
        seconds: float,
        speed: float | None = None,
        device: str = "unknown",
        digest: str = "",
    ) -> Row:
        first = last = None
        if len(losses) != STEPS:
            reason = reason or f"{len(losses)} of {STEPS} steps were made"
        else:
            first, last = float(np.mean(losses[:JUDGED])), float(np.mean(losses[-JUDGED:]))
            reason = reason or ("" if last < first else f"the loss did not fall: {first:.4f} to {last:.4f}")
        return Row(
            name=self.case.name,
            network=self.case.network,
            reduced=self.case.reduced,
            framework=self.framework,
            data=self.case.data.label,
            image_size=self.case.graph.input_shape[1],
            batch=self.case.recipe.batch,
            rate=self.case.scaled,
            digest=digest,
            losses=tuple(losses),
            first=first,
            last=last,
            seconds=round(seconds, 2),
            images_per_second=speed,
            passed=not reason,
            reason=reason,
            date=time.strftime("%Y-%m-%d"),
            machine=describe_machine() | {"device": device},
            versions=self.versions,
        )
