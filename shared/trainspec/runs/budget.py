"""Work out how many steps fit into a time budget.

The budget is wall-clock time, from the first step to the end of the last evaluation. It includes the training steps,
the compilation in the first step, every validation, building the tested network, and the test. It excludes loading the
data, building the trained network, and exporting.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

WARM_UP = 5  # first steps; they compile and fill caches, so they are not counted once there are more
RESERVE = 0.03  # share of the budget that is kept for the unforeseen
REFIT = 0.25  # at most this share of the remaining steps is run before the next fit
BUILDS = 2  # forward passes that a framework may still have to compile: for other batch sizes, for the test
TOLERANCE = 0.05, 2.5  # share of the budget, seconds: the last step may exceed the budget by the larger of the two


@dataclass
class Budget:
    """Fits a training into `seconds`.

    Call `fit(step)` before each step; it may return a new length of the schedule. Run evaluations inside
    `evaluating(images)`. `build_seconds` is the time that it takes to build the network again. `go_on` continues a
    training of another process.
    """

    seconds: float
    batch: int
    steps_per_epoch: int
    evaluate_every: int  # epochs
    validation_images: int
    test_images: int
    build_seconds: float = 0.0
    clock: Callable[[], float] = field(default_factory=lambda: time.monotonic)  # looked up when it is made
    step_seconds: float = field(default=0.0, init=False)
    _evaluated_seconds: float = field(default=0.0, init=False)
    _image_seconds: float = field(default=0.0, init=False)
    _marks: list[float] = field(default_factory=list, init=False)  # training time before each of the first steps
    _next: int = field(default=1, init=False)
    _total: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._start, self._begin = self.clock(), 0

    def go_on(self, step: int, used: float) -> None:
        """Continue from step `step` of a training that has used `used` seconds. The steps are timed anew."""
        self._start, self._begin = self.clock() - used, step

    def fit(self, step: int) -> int | None:
        """Call it before step `step` (from 0). Returns the new total number of steps, at least `step`, or None.

        The total is fitted before every step at first, and less often later. None means that it is not fitted now.
        """
        done = step - self._begin
        if done == len(self._marks) <= WARM_UP:
            self._marks.append(self._training_time())
        if done < self._next:
            return None
        first = min(WARM_UP, done // 2)
        self.step_seconds = (self._training_time() - self._marks[first]) / (done - first)
        evaluations = self.validation_images * self._image_seconds / (self.steps_per_epoch * self.evaluate_every)
        final = (self.validation_images + self.test_images) * self._image_seconds
        spare = self.seconds - self.elapsed - final
        left = max(0, int((spare - RESERVE * self.seconds - self.build_seconds) / (self.step_seconds + evaluations)))
        if left == 0 and step != self._total and self._last_step_fits(done, spare):
            left = 1
        self._next = done + max(1, min(done // 2, int(REFIT * left)))
        self._total = step + left
        return self._total

    def _last_step_fits(self, done: int, spare: float) -> bool:
        """Whether there is time for one more step, at the schedule's last rate, so that the schedule is not cut."""
        if done == 1:  # the only step so far compiled, so its time says nothing about the next one
            return spare > 0
        share, least = TOLERANCE
        return self.step_seconds <= spare + max(share * self.seconds, least)

    def try_evaluation(self, evaluate: Callable[[], object], images: int) -> None:
        """Run an evaluation of `images` images twice, to measure its time and the extra time of the first run."""
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
        """Time an evaluation of `images` images. It does not count as training time."""
        start = self.clock()
        yield
        seconds = self.clock() - start
        self._evaluated_seconds += seconds
        self._image_seconds = seconds / images

    @property
    def elapsed(self) -> float:
        """Seconds since the budget began."""
        return self.clock() - self._start

    @property
    def exceeded(self) -> bool:
        """Whether the budget is exceeded by more than a tenth and by more than 5 seconds."""
        return self.elapsed > max(1.1 * self.seconds, self.seconds + 5)

    def _training_time(self) -> float:
        return self.elapsed - self._evaluated_seconds
