"""The length of a training: what its recipe says, or what fits into its budget."""

import math
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np

from deploy.views import VIEWS
from trainspec.data import Split
from trainspec.evaluation import Evaluation, Forward, evaluate
from trainspec.runs import Budget
from trainspec.state import TrainState
from trainspec.task import Task
from trainspec.trainer import LOWER_RATE, TrainingError

TRIED = 32  # images that are evaluated before a training with a budget, to measure the time of an evaluation


class Pace:
    """`total_steps` is the length of the whole training; a budget changes it.

    `cut_short`: the training was over before its schedule.
    """

    def __init__(self, task: Task, build_seconds: float = 0.0) -> None:
        self.task = task
        self.total_steps = task.recipe.steps(task.steps_per_epoch)
        self.cut_short = False
        self.budget = budget_of(task, build_seconds)

    def to_json(self) -> dict[str, float | None]:
        """The length, the budget and its use as plain numbers; None without a budget."""
        budget = self.budget
        return {
            "total_steps": self.total_steps,
            "budget_seconds": budget.seconds if budget else None,
            "used_seconds": budget.elapsed if budget else None,
        }

    def go_on(self, state: TrainState, values: Mapping[str, Any]) -> None:
        """Continue a training from the position `state`. `values` are from `to_json`.

        A budget is for the whole training. Another one than before is fitted when a step of this process is timed.
        """
        if self.budget:
            self.budget.go_on(state.step, used_seconds(state, values))
            is_other = values["budget_seconds"] != self.budget.seconds
            self.total_steps = max(values["total_steps"], state.step + (1 if is_other else 0))

    def is_over(self, step: int) -> bool:
        """Whether the training ends before step `step` (from 0)."""
        if self.budget and (fitted := self.budget.fit(step)) is not None:
            self.cut_short = fitted == step < self.total_steps
            self.total_steps = fitted
        return step >= self.total_steps

    def try_evaluation(self, forward: Forward) -> None:
        """Measure the time of an evaluation, if there is a budget."""
        if self.budget:
            validation = self.task.data.validation
            few = validation.take(np.arange(min(TRIED, len(validation))))
            self.budget.try_evaluation(lambda: evaluate(forward, few, self.task.constants), len(few))

    def evaluate(self, forward: Forward, split: Split, tta: str = "none") -> Evaluation:
        """Evaluate `split`, and time it for the budget if there is one. `tta` as in `trainspec.evaluation.evaluate`.

        Raises `TrainingError` if the loss is NaN or infinite: such a network is not worth a figure or a file.
        """
        with self.budget.evaluating(len(split) * len(VIEWS[tta])) if self.budget else nullcontext():
            found = evaluate(forward, split, self.task.constants, tta)
        if not math.isfinite(found.loss):
            raise TrainingError(
                f"after training, the loss on {len(split)} images that were held out is NaN or infinite; {LOWER_RATE}"
            )
        return found

    def figures(self) -> dict[str, float | bool]:
        """The budget and its use; empty without a budget."""
        if not self.budget:
            return {}
        return {
            "budget_seconds": self.budget.seconds,
            "budget_used_seconds": round(self.budget.elapsed, 2),
            "schedule_ended": not self.cut_short,
        }

    def problem(self, steps: int) -> str:
        """Why a training of `steps` steps did not end its schedule within the budget; empty if it did."""
        budget = self.budget
        if not budget or not (self.cut_short or budget.exceeded):
            return ""
        what = "ended before its schedule did" if self.cut_short else "took longer"
        return (
            f"the training {what}: it used {budget.elapsed:.1f} s of {budget.seconds:g} s "
            f"for {steps} steps; a step takes {budget.step_seconds:.2g} s here"
        )


def used_seconds(state: TrainState, values: Mapping[str, Any]) -> float:
    """What a training has used of its budget by `state`; `values` are from `Pace.to_json`.

    If it had none, its training time counts.
    """
    used: float | None = values["used_seconds"]
    return state.all_seconds if used is None else used


def budget_of(task: Task, build_seconds: float) -> Budget | None:
    """The budget of a task, or None if it does not have one."""
    if task.budget is None:
        return None
    evaluated = 2 if task.recipe.average else 1  # the average, and the weights themselves
    tta = task.recipe.evaluation.tta
    views = 0 if tta == "none" else len(VIEWS[tta])  # passes of the test after those without augmentation
    return Budget(
        task.budget,
        task.batch_size,
        task.steps_per_epoch,
        task.recipe.evaluate_every,
        evaluated * len(task.data.validation),
        (evaluated + views) * len(task.data.test),
        evaluated * build_seconds,
    )
