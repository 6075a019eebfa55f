"""Decides when a training writes a checkpoint, and which ones stay: the two newest, and the best on held-out images."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from trainspec.checkpoints.file import FOLDER, Checkpoint, name_of, remove_others, save
from trainspec.checkpoints.settings import Interval
from trainspec.runs import Run
from trainspec.state import TrainState
from trainspec.task import Task

NEWEST = 2  # so many of the newest stay


@dataclass(frozen=True)
class Kept:
    """A checkpoint that is there. `top1`: the accuracy on the held-out images in percent; None if it is not known."""

    step: int
    top1: float | None = None


@dataclass
class Keeper:
    """The checkpoints of the run in `run`.

    `every_best`: each new best writes one; otherwise only after the first interval. The end of a training writes one,
    unless the interval is endless. `kept` are those that are there, the newest last. `written` and `seconds` say how
    many the whole run has written, and how long that took; `refused`, how many failed since the last one.
    """

    run: Path
    interval: Interval
    steps_per_epoch: int
    every_best: bool = False
    clock: Callable[[], float] = field(default_factory=lambda: time.monotonic)  # looked up when it is made
    kept: list[Kept] = field(default_factory=list)
    written: int = field(default=0, init=False)
    refused: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._time, self._step = self.clock(), 0  # of the last attempt to write one

    @property
    def folder(self) -> Path:
        return self.run / FOLDER

    @property
    def advice(self) -> str:
        """What a message about a failed training ends with: the last good checkpoint."""
        return f"; the last good checkpoint is {self.folder / name_of(self.kept[-1].step)}" if self.kept else ""

    @property
    def best(self) -> Kept | None:
        """The first of those with the highest accuracy; None if none has one."""
        return max((one for one in self.kept if one.top1 is not None), key=_top1, default=None)

    def figures(self) -> dict[str, float]:
        """How many checkpoints the run has written, and the seconds that it took; empty without any."""
        return {"checkpoints": self.written, "checkpoint_seconds": round(self.seconds, 3)} if self.written else {}

    def to_json(self) -> dict[str, float]:
        """`written` and `seconds` for a checkpoint that is written now: it counts, and its own time is not known."""
        return {"written": self.written + 1, "seconds": self.seconds}

    def go_on(self, step: int, kept: Iterable[Kept], written: int = 0, seconds: float = 0.0) -> None:
        """Begin at step `step`. Of the checkpoints that are there, those of later steps do not count any more."""
        self._step, self.written, self.seconds = step, written, seconds
        self.kept = sorted((one for one in kept if one.step <= step), key=lambda one: one.step)

    def is_behind(self, state: TrainState, top1: float | None = None) -> bool:
        """Whether the newest checkpoint lacks steps, or the accuracy `top1` of these weights."""
        return self.kept[-1:] != [Kept(state.step, top1)]

    def is_due(self, state: TrainState, top1: float | None = None, *, last: bool = False) -> bool:
        """Whether to write a checkpoint now. At the end of an epoch it waits for the validation, which gives `top1`.

        `last`: the training ends here.
        """
        if not self.is_behind(state, top1) or state.step_in_epoch == self.steps_per_epoch:
            return False
        better = top1 is not None and top1 > max((_top1(one) for one in self.kept), default=-1.0)
        is_over = self.interval.is_over((self._step, state.step), self.clock() - self._time)
        return is_over or (last and not self.interval.is_endless) or (better and (self.every_best or bool(self.kept)))

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and remove those that need not stay. Raises `StorageError`; the older ones stay then."""
        begin = self._time = self.clock()  # also if it fails: the next attempt comes after the next interval
        self._step = checkpoint.step
        self.refused += 1  # until it is there
        save(self.folder, checkpoint)
        self.refused = 0
        self.kept = [
            *(one for one in self.kept if one.step < checkpoint.step),
            Kept(checkpoint.step, checkpoint.content["top1"]),
        ]
        stay = {one.step: one for one in (*self.kept[-NEWEST:], *([self.best] if self.best else []))}
        remove_others(self.folder, set(stay))
        self.kept = [one for one in self.kept if one.step in stay]
        self.written += 1
        self._time = self.clock()
        self.seconds += self._time - begin


def keeper_of(task: Task, run: Run) -> Keeper:
    """The keeper of a task's checkpoints, as its recipe says."""
    settings = task.recipe.checkpoint
    interval = settings.interval(task.steps_per_epoch) or Interval()
    return Keeper(run.folder, interval, task.steps_per_epoch, settings.keep == "best")


def _top1(one: Kept) -> float:
    return -1.0 if one.top1 is None else one.top1
