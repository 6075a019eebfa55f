"""One framework in lockstep: the training in the precision that was asked for, and the same step in float64."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.compare import limits
from netspec.init import Weights
from parity.frameworks import load
from parity.lockstep.fault import Fault
from parity.lockstep.stages import UNITS, Disturbance, Stages, apart, belongs, below_floor, magnitudes, rounding_of_sums
from trainspec.optim import StepSettings, step_settings
from trainspec.plan import Batch, BatchPlan
from trainspec.recipes import override
from trainspec.schedules import Place
from trainspec.state import without_scale
from trainspec.task import Task
from trainspec.trainer import Trainer

EXACT = "fp64"
SHOWN = 16  # the logits of this many images are compared
DRAWS = 8  # larger disturbances of a step that one disturbance does not explain, and then nearby states


@dataclass(frozen=True)
class Setup:
    """What a side is made from."""

    framework: str
    task: Task
    threads: int
    fault: Fault | None = None


@dataclass(frozen=True)
class Error:
    """How far a tensor of the step is from its float64 step: `value`, and how much rounding explains at most."""

    value: float
    explained: float
    magnitude: float

    @property
    def share(self) -> float:
        """Above 1, rounding does not explain it."""
        return self.value / self.explained if self.explained else float(self.value > 0)


Errors = dict[str, dict[str, Error]]  # by stage and tensor


@dataclass(frozen=True, eq=False)
class Taken:
    """A step that was judged.

    `exact` is the float64 step from the common state. `errors` are those of the own step.
    `unjudged` names the parameters with a gradient below the floor.
    """

    exact: Stages
    errors: Errors
    unjudged: tuple[str, ...]
    loss: float


class Side:
    """Made in its own process. Each step is either trained only (`advance`) or judged too (`judge`)."""

    def __init__(self, setup: Setup) -> None:
        self.framework = load(setup.framework)
        self.task, self.threads, self.fault = setup.task, setup.threads, setup.fault
        self.step, self.plans = 0, plans(setup.task)
        self.weights = [name for name, param in self.task.graph.params.items() if param.trainable]
        self.statistics = self.task.graph.params.keys() - set(self.weights)
        self.unit = 0.0
        self._make(None)

    def _make(self, state: Weights | None) -> None:
        """Make both trainers, with all that is compiled for them."""
        self.exact, self.trained = self._trainer(EXACT), self._trainer(self.task.recipe.precision)
        if state is not None:
            self.trained.restore(state)

    def _trainer(self, precision: str) -> Trainer:
        device = self.framework.choose_device(precision, self.threads).repeating(self.task.deterministic)
        self.unit = UNITS[device.precision]
        recipe = override(self.task.recipe, {"precision": precision})
        return self.framework.trainer(self.task.graph, self.task.weights, recipe, device)

    def state(self) -> Weights:
        """The state of the training before the next step, without the scale of its loss: float64 has none."""
        return without_scale(self.trained.state())

    def _next(self) -> tuple[Batch, StepSettings]:
        """The batch of the next step, made by NumPy, and its settings."""
        if self.fault and self.fault.step == self.step + 1:
            state = self.trained.state()
            self.fault.plant()
            self._make(state)
        now = settings_at(self.task, self.step)
        self.step += 1
        return self.task.batch(next(self.plans)), now

    def advance(self) -> float:
        """Train one step. Returns its loss."""
        batch, now = self._next()
        return float(self.trained.step(self.trained.place(batch), now).loss)

    def judge(self, common: Weights | None) -> Taken:
        """Train one step and measure it. `common` is the common state; None if it is this side's own."""
        batch, now = self._next()
        before = self.trained.state()
        own = without_scale(before)
        exact = self._exactly(own if common is None else common, batch, now)
        reference = exact if common is None else self._exactly(own, batch, now)
        unjudged = below_floor(exact.gradient)
        after = self._inexactly(batch, now)
        errors = self._errors(after, reference, own, batch, now, unjudged)
        loss = float(after.forward["loss"][0])
        if math.isfinite(loss) and not explained(errors):
            ended = self.trained.state()
            errors = self._again(errors, before, batch, now, unjudged)
            self.trained.restore(ended)
        return Taken(exact, errors, unjudged, loss)

    def _inexactly(self, batch: Batch, now: StepSettings) -> Stages:
        """The step in the precision asked for, from where the training is. It has no gradients."""
        logits = self.trained.logits(batch.images[:SHOWN])
        placed = self.trained.place(batch)
        step = self.trained.step(placed, now)
        return self._stages(placed, step.loss, logits, {}, self.state())

    def _exactly(self, state: Weights, batch: Batch, now: StepSettings) -> Stages:
        """The step in float64, stage by stage."""
        trainer = self.exact
        trainer.restore(state)
        logits = trainer.logits(batch.images[:SHOWN])
        placed = trainer.place(batch)
        step, gradients = trainer.backward(placed)
        canonical = dict(trainer.canonical(gradients))
        trainer.update(gradients, now)
        return self._stages(placed, step.loss, logits, canonical, trainer.state())

    def _stages(self, placed: Batch, loss: Any, logits: NDArray[Any], gradient: Weights, after: Weights) -> Stages:
        targets = np.asarray(placed.targets, np.float64)
        return Stages(
            {"targets": targets, "loss": np.asarray(loss, np.float64).reshape(1), "logits": logits},
            gradient,
            {name: array for name, array in after.items() if name in self.statistics},
            {name: array for name, array in after.items() if name not in self.statistics},
        )

    def _errors(
        self, after: Stages, exact: Stages, state: Weights, batch: Batch, now: StepSettings, unjudged: tuple[str, ...]
    ) -> Errors:
        """The error of every tensor beside what rounding explains.

        Rounding explains a multiple of what one disturbance by half a last bit does. It also explains some standard
        deviations of the rounding of a sum over a batch's pixels, a random walk; disturbances average out in such a
        sum. Where that is too little, it explains what disturbances of that size do: a norm shifts a whole map by it,
        and what lies so near to a kink of ReLU crosses it.
        """
        multiple, (summed, larger) = limits().rounding_multiple, self._sizes(batch)
        values, sizes = apart(after, exact), magnitudes(exact)

        def effect(draw: int, size: float) -> dict[str, dict[str, float]]:
            disturbance = self._disturbance(draw, size)
            return apart(self._exactly(disturbance.state(state), disturbance.batch(batch), now), exact)

        once = effect(0, self.unit)
        errors = {
            stage: {
                name: Error(value, max(multiple * once[stage][name], summed * sizes[stage][name]), sizes[stage][name])
                for name, value in found.items()
                if not belongs(name, unjudged)
            }
            for stage, found in values.items()
        }
        for draw in range(1, DRAWS + 1):
            if explained(errors):
                break
            more = effect(draw, larger)
            errors = {
                stage: {
                    name: replace(error, explained=max(error.explained, more[stage][name]))
                    for name, error in found.items()
                }
                for stage, found in errors.items()
            }
        return errors

    def _again(
        self, errors: Errors, before: Weights, batch: Batch, now: StepSettings, unjudged: tuple[str, ...]
    ) -> Errors:
        """Take the step again from states near `before`. Of each tensor the error that rounding explains best counts.

        A unit that lies within rounding of a kink of ReLU moves a gradient by all that its pixel is worth, however
        small the rounding. It is a coincidence, and does not lie there again after every weight has moved. What is
        computed wrong is wrong from every state.
        """
        for draw in range(DRAWS + 1, 2 * DRAWS + 1):
            disturbance = self._disturbance(draw, self._sizes(batch)[1])
            moved = disturbance.state({name: before[name] for name in self.weights})
            state = before | {name: array.astype(before[name].dtype) for name, array in moved.items()}
            self.trained.restore(state)
            exact = self._exactly(without_scale(state), batch, now)
            again = self._errors(self._inexactly(batch, now), exact, without_scale(state), batch, now, unjudged)
            errors = {
                stage: {
                    name: min(error, again[stage][name], key=lambda one: one.share) for name, error in found.items()
                }
                for stage, found in errors.items()
            }
            if explained(errors):
                break
        return errors

    def _sizes(self, batch: Batch) -> tuple[float, float]:
        """Some standard deviations of the rounding of a sum over the batch's pixels, and the size of larger draws."""
        summed = rounding_of_sums(self.unit, batch.images.shape[:3])
        return summed, max(limits().rounding_multiple * self.unit, summed)

    def _disturbance(self, draw: int, size: float) -> Disturbance:
        return Disturbance(self.task.recipe.seed, self.step, draw, size)


def explained(errors: Errors) -> bool:
    """Whether rounding explains every error of a step. It does not explain NaN."""
    return all(error.share <= 1 for found in errors.values() for error in found.values())


def plans(task: Task) -> Iterator[BatchPlan]:
    """The plans of all batches of a training, epoch by epoch, without an end."""
    for epoch in count():
        yield from task.plan(epoch).batches(task.batch_size, drop_last=True)


def settings_at(task: Task, step: int) -> StepSettings:
    """The settings of step `step` (from 0) of the recipe's own schedule."""
    place = Place(step, task.recipe.steps(task.steps_per_epoch), task.steps_per_epoch)
    return step_settings(task.recipe, task.groups, place)
