"""Trains a network for a few steps from its recipe, to see the loss fall.

Both frameworks start from the same weights and see the same images: 16 of the embedded digits, the same in every step,
at the smallest size that leaves no part of a network's windows idle. With more images, augmentation, dropout or
stochastic depth, the loss of the deeper networks (EfficientNet, ResNeSt) is as often higher as lower after twenty
steps.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Self

import numpy as np

from diptych.errors import failure
from diptych.ledger import fingerprint
from diptych.machine import describe_machine
from netspec import Graph, find, without_noise
from netspec.reduce import least_image
from parity.dependencies import digest_of_code
from parity.train_all.rows import Row
from trainspec.augment import VOCABULARY
from trainspec.batches import batches_of
from trainspec.data import DataSet, digits
from trainspec.pace import Pace
from trainspec.recipes import Recipe, find_recipe, override, to_toml
from trainspec.state import TrainState
from trainspec.task import Task, first_weights, network_for
from trainspec.trainer import Framework, Trainer
from trainspec.training import steps_of_epoch

STEPS = 20
BATCH = 16
JUDGED = 5  # the mean losses of this many first and last steps are compared
INTRO = f"""\
Made by `nox -s train_all`: {STEPS} steps of each network by its modern recipe, in fp32. Every step uses the first
{BATCH} training images of the {digits.LABEL}, without augmentation, dropout and stochastic depth.
Both frameworks start from the same weights. The recipe's rate is scaled with the batch. `image`: the smallest size, in
pixels, that leaves no part of a window idle. `loss`: the mean of the first {JUDGED} steps and of the last {JUDGED};
a network passes if it falls. `seconds`: the whole time, with building and tracing."""


class FewSteps:
    """The steps of a task: their losses, and when each step ended."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.losses: list[float] = []
        self.times: list[float] = []

    def run(self, trainer: Trainer) -> None:
        """Train epochs of one step, through the whole schedule. Raises `TrainingError` if a loss is not finite."""
        state, pace, batches = TrainState(), Pace(self.task), batches_of(self.task, trainer)
        while state.step < pace.total_steps:
            for step, now in steps_of_epoch(self.task, trainer, batches, state, pace):
                self.losses.append(float(step.loss))
                self.times.append(time.monotonic())
                state.mean_loss(now)
            state.end_epoch(0.0)

    @property
    def images_per_second(self) -> float | None:
        """The speed without the first step, in which a framework may still be building."""
        if len(self.times) < 2:
            return None
        return round((len(self.times) - 1) * self.task.batch_size / max(self.times[-1] - self.times[0], 1e-9), 1)


def small_recipe(name: str) -> Recipe:
    """The network's recipe for the digits, for small batches of the smallest images."""
    recipe = find_recipe(name, find(name).family, digits.NAME)
    values = {
        "batch": BATCH,
        "epochs": STEPS,  # of one step each
        "precision": "fp32",
        "data.name": digits.NAME,
        "data.image_size": least_image(name, **recipe.network),
        "schedule.peak": recipe.schedule.peak * BATCH / recipe.batch,
        **{f"augmentation.{kind}": False for kind in VOCABULARY},
    }
    return override(recipe, values, name)


@cache
def few_images(size: int) -> DataSet:
    """A batch of the digits, without images for validation and testing."""
    data = digits.load_digits(size, seed=0)
    none = np.arange(0)
    return replace(
        data,
        train=data.train.take(np.arange(BATCH)),
        validation=data.validation.take(none),
        test=data.test.take(none),
    )


@dataclass(frozen=True)
class Job:
    """A network to train in a framework, before its weights are drawn.

    `versions` are the versions of the packages that decide the figures.
    """

    name: str
    framework: str
    versions: dict[str, str]
    recipe: Recipe
    data: DataSet
    graph: Graph

    @classmethod
    def of(cls, name: str, framework: str, versions: dict[str, str]) -> Self:
        recipe = small_recipe(name)
        data = few_images(least_image(name, **recipe.network))
        graph = without_noise(network_for(name, data, recipe))
        return cls(name, framework, versions, recipe, data, graph)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that a row depends on."""
        package = f"{self.framework}_impl"
        roots = (("parity.train_all.job", "Job"), (f"{package}.trainer", self.framework.upper()))
        code = digest_of_code(roots, [self.graph], [package])
        return fingerprint(self.graph, to_toml(self.recipe), sorted(self.versions.items()), code)

    def train(self, framework: Framework) -> Row:
        """Train and return the row. Any error is in the row, as the reason why the network did not pass."""
        begin = time.monotonic()
        weights = first_weights(self.graph, self.recipe, self.data)
        steps = FewSteps(Task(self.name, self.graph, weights, self.data, digits.NAME, self.recipe))
        device = framework.choose_device(self.recipe.precision, None)
        reason = failure(lambda: steps.run(framework.trainer(self.graph, weights, self.recipe, device)))
        seconds = time.monotonic() - begin
        framework.forget()
        return self.row(steps.losses, reason, seconds, steps.images_per_second, device.label)

    def row(
        self, losses: Sequence[float], reason: str, seconds: float, speed: float | None = None, device: str = "unknown"
    ) -> Row:
        first = last = None
        if len(losses) != STEPS:
            reason = reason or f"{len(losses)} of {STEPS} steps were made"
        else:
            first, last = float(np.mean(losses[:JUDGED])), float(np.mean(losses[-JUDGED:]))
            reason = reason or ("" if last < first else f"the loss did not fall: {first:.4f} to {last:.4f}")
        return Row(
            network=self.name,
            framework=self.framework,
            image_size=self.graph.input_shape[1],
            batch=self.recipe.batch,
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
