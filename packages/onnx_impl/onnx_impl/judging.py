"""A smaller file against the float32 file of the same model: logits, loss of accuracy, noise and speed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy import runtime
from deploy.contract import Contract
from deploy.errors import ModelError
from deploy.intervals import paired
from deploy.model import batch_of
from deploy.normalisation import normalised
from diptych.stopping import until_stopped
from onnx_impl.turns import Ratio, ratio, times_by
from trainspec.data import Split
from trainspec.plan import draw_epoch


@dataclass(frozen=True)
class Judge:
    """Runs files of one contract on the images of a split. `raw`: they take uint8 `(N, H, W, C)` as it is."""

    contract: Contract
    raw: bool = False

    def prepared(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        return images if self.raw else normalised(images, self.contract.mean, self.contract.std)

    def passing(self, content: bytes, split: Split, provider: str = runtime.CPU) -> Callable[[], object]:
        """A pass of the first image on one thread. Raises `ModelError` if `provider` does not run the file here."""
        image = self.prepared(split.read(np.arange(1)))
        session = runtime.load(content, "the file", provider=provider, threads=1)
        return lambda: session.run(None, {"image": image})

    def batches(self, split: Split, size: int) -> Iterator[NDArray[Any]]:
        """The images of a split, prepared, `size` at a time."""
        order = np.arange(len(split))
        return (self.prepared(split.read(order[start : start + size])) for start in range(0, len(order), size))

    def logits(self, content: bytes, split: Split) -> NDArray[np.float32]:
        """float32 `(N, classes)`. Raises `ModelError` if the file does not run, or if a logit is not finite."""
        session = runtime.load(content, "the file", provider=runtime.CPU)
        batches = self.batches(split, batch_of(*split.shape[:2]))
        return np.concatenate([runtime.logits(session, batch, "the file") for batch in until_stopped(batches)])

    def right(self, content: bytes, split: Split) -> NDArray[np.bool_]:
        """Which images of a split a file answers with their class, `(N,)`."""
        right: NDArray[np.bool_] = self.logits(content, split).argmax(1) == split.labels
        return right

    @staticmethod
    def points_lost(
        one: NDArray[np.bool_], other: NDArray[np.bool_], images: int | None = None
    ) -> tuple[float, float, float]:
        """Points of top-1 that `other` loses against `one`, and the ends of their interval. Both are of `right`.

        The interval is that of `images` images with the same shares of answers; by default of as many as were answered.
        """
        lost, won, answered = int((one & ~other).sum()), int((other & ~one).sum()), len(one)
        images = images or answered
        low, high = paired(lost * images / answered, won * images / answered, images)
        return 100 * (lost - won) / answered, 100 * low, 100 * high

    def speed(self, one: bytes, other: bytes, split: Split, provider: str) -> Ratio | None:
        """The time of `other` as a part of that of `one`; None if `provider` does not run `one` here.

        The clock is the processor's on the CPU, and that on the wall elsewhere. Raises `ModelError` if `provider` runs
        `one` alone.
        """
        try:
            first = self.passing(one, split, provider)
        except ModelError:
            return None
        clock = time.process_time if provider == runtime.CPU else time.perf_counter
        times = times_by(clock, {"one": first, "other": self.passing(other, split, provider)})
        return ratio(times["other"], times["one"])


def sample(split: Split, images: int) -> Split:
    """Up to so many images of a split, drawn by the plan: the first ones may be of one class, where it is sorted."""
    return split.take(draw_epoch(0, 0, len(split)).order[:images])


def decibels(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Signal to noise: `10 log10(sum expected**2 / sum (expected - found)**2)`."""
    noise = float(np.square(expected - found).sum())
    return 10 * float(np.log10(np.square(expected).sum() / noise)) if noise else float("inf")
