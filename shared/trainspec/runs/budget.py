"""How many steps fit into a time budget.

The budget is wall clock, from the first step to the end of the last evaluation: training steps, what the first step
costs once (compiling), each validation, building the network that is tested, and the test. Loading the data, building
the network that is trained and exporting are outside.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

WARM_UP = 5  # first steps that are not counted once there are more: they compile, and fill caches
RESERVE = 0.03  # share of the budget for what nobody foresees
REFIT = 0.25  # of the steps that are left, between two fits
BUILDS = 2  # forward passes that a framework may still have to compile: for other batches, for the test
TOLERANCE = 0.05, 2.5  # share of the budget, seconds: a last step may take the larger one more than there is


@dataclass
class Budget:
    """Fits a training into `seconds`.

    `fit(step)` is asked before each step and gives the new length of the schedule when it has one. Evaluations run
    inside `evaluating(images)`. `build_seconds` is what it takes to build the network once more.
    """

    seconds: float
    batch: int
    steps_per_epoch: int
    evaluate_every: int  # epochs
    validation_images: int
    test_images: int
    build_seconds: float = 0.0
    clock: Callable[[], float] = time.monotonic
    step_seconds: float = field(default=0.0, init=False)
    _evaluated_seconds: float = field(default=0.0, init=False)
    _image_seconds: float = field(default=0.0, init=False)
    _marks: list[float] = field(default_factory=list, init=False)  # training time before each of the first steps
    _next: int = field(default=1, init=False)
    _total: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._start = self.clock()

    def fit(self, step: int) -> int | None:
        """Before step `step`, from 0: the steps, at least `step`, that the training should have in all, or None.

        The length is fitted before every step at first, and more rarely the more steps there are between two fits.
        """
        if step == len(self._marks) <= WARM_UP:
            self._marks.append(self._training_time())
        if step < self._next:
            return None
        first = min(WARM_UP, step // 2)
        self.step_seconds = (self._training_time() - self._marks[first]) / (step - first)
        evaluations = self.validation_images * self._image_seconds / (self.steps_per_epoch * self.evaluate_every)
        final = (self.validation_images + self.test_images) * self._image_seconds
        spare = self.seconds - self.elapsed - final
        left = max(0, int((spare - RESERVE * self.seconds - self.build_seconds) / (self.step_seconds + evaluations)))
        if left == 0 and step != self._total and self._last_step_fits(step, spare):
            left = 1
        self._next = step + max(1, min(step // 2, int(REFIT * left)))
        self._total = step + left
        return self._total

    def _last_step_fits(self, step: int, spare: float) -> bool:
        """Whether one more step, with the schedule's last rate, can end a schedule that would otherwise be cut."""
        if step == 1:  # which compiled, so that it does not tell how long a step takes
            return spare > 0
        share, least = TOLERANCE
        return self.step_seconds <= spare + max(share * self.seconds, least)

    def try_evaluation(self, evaluate: Callable[[], object], images: int) -> None:
        """Measure what an evaluation of `images` images costs, and what it costs once, by doing it twice."""
        seconds = []
        for _ in range(2):
            start = self.clock()
            evaluate()
            seconds.append(self.clock() - start)
        once, again = seconds
        self._evaluated_seconds += once + again
        self._image_seconds = again / images
        self.build_seconds += BUILDS * max(0.0, once - again)

    @contextmanager
    def evaluating(self, images: int) -> Iterator[None]:
        """Time an evaluation of `images` images, apart from the training."""
        start = self.clock()
        yield
        seconds = self.clock() - start
        self._evaluated_seconds += seconds
        self._image_seconds = seconds / images

    @property
    def elapsed(self) -> float:
        """Seconds since the budget began to run."""
        return self.clock() - self._start

    @property
    def exceeded(self) -> bool:
        """Whether more time has passed than a budget of this size allows: a tenth or 5 seconds more."""
        return self.elapsed > max(1.1 * self.seconds, self.seconds + 5)

    def _training_time(self) -> float:
        return self.elapsed - self._evaluated_seconds
