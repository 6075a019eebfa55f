"""How many steps fit into a time budget.

The budget is wall clock, from `Budget(...)` being made to the end of the last evaluation: training steps, what the
first steps cost once (compiling), every look at the validation split, and the final one at the test split. A share is
kept back for what nobody foresees. Loading the data and exporting the model are outside.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

WARM_UP = 5  # steps that are not timed: the first ones compile, and fill caches
FIRST_FIT = 25  # the step before which speed is not judged
RESERVE = 0.03
REFIT = 0.25  # of the steps that are left, between two fits
FORWARD = 1 / 3  # of a training step's time: what an evaluation is taken to cost until one was timed


@dataclass
class Budget:
    """Fits a training into `seconds`.

    The trainer asks `due(step)` before each step and, when it is, takes `total_steps(step)` as the new length of its
    schedule; it ends when `step` reaches it. Evaluations run inside `evaluating(images)`. Before the first fit the
    trainer uses its recipe's own length: a schedule's first 25 steps hardly depend on it.
    """

    seconds: float
    batch: int
    steps_per_epoch: int
    evaluate_every: int  # epochs
    validation_images: int
    test_images: int
    clock: Callable[[], float] = time.monotonic
    _evaluated_seconds: float = field(default=0.0, init=False)
    _evaluated_images: int = field(default=0, init=False)
    _warm: tuple[int, float] | None = field(default=None, init=False)  # step and busy time when timing began
    _next: int = field(default=FIRST_FIT, init=False)

    def __post_init__(self) -> None:
        self._start = self.clock()

    def due(self, step: int) -> bool:
        """Whether the length should be fitted before `step`, which counts from 0 and is asked for every step."""
        if self._warm is None and step >= WARM_UP:
            self._warm = (step, self._training_time())
        return step >= self._next

    def total_steps(self, step: int) -> int:
        """The number of steps, at least `step`, that the training should have in all, as speed has been so far."""
        if self._warm is None or step <= self._warm[0]:
            raise ValueError("no step has been timed yet: ask due(step) first")
        warm_step, warm_time = self._warm
        step_seconds = (self._training_time() - warm_time) / (step - warm_step)
        image_seconds = FORWARD * step_seconds / self.batch
        if self._evaluated_images:
            image_seconds = self._evaluated_seconds / self._evaluated_images
        evaluations = self.validation_images * image_seconds / (self.steps_per_epoch * self.evaluate_every)
        end = self.seconds * (1 - RESERVE) - (self.test_images + self.validation_images) * image_seconds
        left = int((end - self.elapsed) / (step_seconds + evaluations))
        total = step + max(0, left)
        self._next = step + max(1, int(REFIT * left))
        return total

    @contextmanager
    def evaluating(self, images: int) -> Iterator[None]:
        """Time an evaluation of `images` images, apart from the training."""
        start = self.clock()
        yield
        self._evaluated_seconds += self.clock() - start
        self._evaluated_images += images

    @property
    def elapsed(self) -> float:
        """Seconds since the budget began to run."""
        return self.clock() - self._start

    def _training_time(self) -> float:
        return self.elapsed - self._evaluated_seconds
