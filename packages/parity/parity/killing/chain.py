"""A training that is killed several times, and goes on each time until it ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diptych.errors import DataError
from diptych.reading import sha256_of
from parity.killing.training import Kill, begin, random_kill, run
from trainspec.checkpoints.file import FOLDER, steps_in
from trainspec.runs import EpochMetrics, Run

MEASURED = {"images_per_second", "seconds"}  # figures that differ between two runs


@dataclass(frozen=True)
class Whole:
    """A training that was never killed: its run, and the seconds from its first step to its test."""

    run: Run
    seconds: float


@dataclass(frozen=True)
class Killed:
    """One kill: how, and the step of the newest checkpoint that it left, 0 without one."""

    kill: Kill
    step: int


@dataclass(frozen=True)
class Chain:
    """A training with its kills. `differs`: what is not as in the training that was never killed; empty if nothing."""

    kills: tuple[Killed, ...]
    differs: str


def train_whole(framework: str, folder: Path) -> Whole:
    """Train without a kill."""
    ended = run(framework, begin(folder, f"{framework}-whole"))
    return Whole(only_run(folder / f"{framework}-whole"), ended.seconds)


def train_killed(
    framework: str,
    folder: Path,
    whole: Whole,
    inside: Sequence[bool],
    generator: np.random.Generator,
    show: Callable[[Killed], None] = lambda killed: None,
) -> Chain:
    """Train with a kill for each of `inside`, which says whether it comes inside the write of a checkpoint."""
    out = f"{framework}-{len(list(folder.iterdir()))}"
    kills: list[Killed] = []
    arguments, share = begin(folder, out), 1.0
    while len(kills) < len(inside):
        kill = random_kill(generator, share * whole.seconds / len(inside), inside=inside[len(kills)])
        if not run(framework, arguments, kill).killed:  # it had ended: once more from the beginning
            arguments, kills, share = begin(folder, out := f"{out}+"), [], share / 2
            continue
        if found := list((folder / out).glob("*/run.json")):
            kills.append(Killed(kill, max(steps_in(found[0].parent / FOLDER), default=0)))
            show(kills[-1])
            arguments = ["train", "--resume", str(found[0].parent)]
    run(framework, arguments)
    return Chain(tuple(kills), difference(whole.run, only_run(folder / out)))


def only_run(folder: Path) -> Run:
    """The run in a folder of runs. Raises `DataError` unless there is exactly one, and it is finished."""
    runs = [Run.open(file.parent) for file in folder.glob("*/run.json")]
    if [one.state for one in runs] != ["finished"]:
        raise DataError(f"{folder}: not one finished run, but {[one.state for one in runs]}")
    return runs[0]


def difference(whole: Run, killed: Run) -> str:
    """What differs between two runs: weights, the state at their newest checkpoint, or figures. Empty if nothing."""
    newest = f"{FOLDER}/step-{steps_in(whole.folder / FOLDER)[0]}.safetensors"
    for file in ("weights.safetensors", newest):
        if sha256_of(whole.folder / file) != sha256_of(killed.folder / file):
            return f"{file} differs"
    if list(map(figures, whole.metrics)) != list(map(figures, killed.metrics)):
        return "metrics.jsonl differs"
    tested = [run.facts["test_loss"] for run in (whole, killed)]
    return "" if tested[0] == tested[1] else "test_loss differs"


def figures(epoch: EpochMetrics) -> dict[str, object]:
    """The figures of an epoch that two equal runs share."""
    return {key: value for key, value in vars(epoch).items() if key not in MEASURED}
