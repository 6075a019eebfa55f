"""A run's folder: what was asked, what was done, what came out. No file is left half-written."""

import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.files import clear_abandoned, replacing, write_bytes, writing
from deploy.runs import PROOF, is_running, state_of
from deploy.shell import printable
from diptych.errors import DataError, StorageError
from diptych.machine import describe_machine, describe_versions
from diptych.stopping import check
from trainspec.checkpoints.file import FOLDER as CHECKPOINTS
from trainspec.recipes.find import read_recipe, to_toml
from trainspec.recipes.recipe import Recipe
from trainspec.runs.curves import FORMATS, draw_curves
from trainspec.runs.events import FOLDER as EVENTS, EventFile
from trainspec.runs.folder import new_folder
from trainspec.runs.lock import RunLock
from trainspec.runs.metrics import EpochMetrics, to_csv, to_figures, to_jsonl
from trainspec.runs.reading import FINISHED, SCHEMA, read_facts


class Run:
    """A run. Its `folder` has `run.json`, `recipe.toml`, `metrics.jsonl`, `metrics.csv`, `curves.png` and
    `curves.svg`. A run that was asked for it also has `tensorboard/`, the same figures under the same names. One
    that writes checkpoints has `checkpoints/`, from which it can go on.

    It may be given wherever a path is taken, in place of its folder.

    As a context manager it records how the training ended: `finished` (by `finish`), `interrupted` (by a signal) or
    `failed`; `reason` says why. However it ends, the files are complete and fit one another. Methods that write raise
    `StorageError` on a full disk.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        facts: dict[str, Any],
        metrics: Sequence[EpochMetrics] = (),
        lock: RunLock | None = None,
        state: str = "running",
    ) -> None:
        self.folder = folder
        self.recipe = recipe
        self.facts = facts
        self.metrics = list(metrics)
        self._lock = lock
        self._state = state
        self._events: EventFile | None = None
        self.begun = False  # whether this process has trained a step, and written that it did
        self._found: Run | None = None  # the run that this one goes on with, as it was found
        self._tensorboard = False  # whether it writes an event file from now on

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        *,
        architecture: str,
        framework: str,
        data_name: str,
        data_label: str,
        command: str,
        device: str,
        precision: str,
        threads: int,
        packages: Sequence[str] = (),
        notes: Sequence[str] = (),
        out: Path = Path("runs"),
        tensorboard: bool = False,
    ) -> Self:
        """Make the folder `<out>/<architecture>-<framework>-<data>-<time>` and write its first files.

        `command` is what the user typed. The versions of the distributions `packages` are recorded. With
        `tensorboard`, the figures are also written for TensorBoard.
        """
        facts: dict[str, Any] = {
            "schema": SCHEMA,
            "status": "running",
            "command": command,
            "architecture": architecture,
            "framework": framework,
            "data": data_name,
            "data_label": data_label,
            "notes": list(notes),
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "device": device,
            "precision": precision,
            "threads": threads,
            "machine": describe_machine(),
            "versions": describe_versions(("numpy", "pillow", *packages)),
            "plan_digests": [],
        }
        folder = new_folder(out, architecture, framework, data_name)
        run = cls(folder, recipe, facts, lock=_lock(folder))
        try:
            if tensorboard:
                run._events = EventFile(folder)
            write_bytes(run.folder / "recipe.toml", to_toml(recipe).encode())
            run.save()
        except StorageError:
            run.discard()  # an incomplete run is worse than none
            raise
        return run

    @classmethod
    def resume(
        cls,
        found: "Run",
        recipe: Recipe,
        facts: dict[str, Any],
        metrics: Sequence[EpochMetrics],
        *,
        tensorboard: bool = False,
    ) -> Self:
        """Go on with the run `found`, of which these `facts` and `metrics` stay. `begin` writes them.

        With `tensorboard`, the figures are written for TensorBoard from then on, also those of the epochs before.
        Raises `DataError` if another process goes on with it or has done so since `found` was read, and `StorageError`
        where it cannot be written.
        """
        folder = found.folder
        with writing(folder):
            try:
                lock = RunLock(folder)
            except BlockingIOError:
                raise DataError(f"{folder} is still running; wait for its end") from None
        try:
            if read_facts(folder)[0] != found.facts:
                raise DataError(f"{folder}: another process has gone on with it in the meantime; start again")
        except DataError:
            lock.release()
            raise
        facts = {key: value for key, value in facts.items() if key != "reason"}
        facts |= {"status": "running", "plan_digests": [epoch.plan_digest for epoch in metrics]}
        run = cls(folder, recipe, facts, metrics, lock)
        run._found, run._tensorboard = found, tensorboard
        return run

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the run in `folder` for reading. Raises `DataError` where there is none."""
        running = is_running(folder)  # asked before the status is read, because the run may end in between
        facts, metrics = read_facts(folder)
        state = str(state_of(facts["status"], running))
        if not running:
            for place in (folder, folder / PROOF, folder / CHECKPOINTS):
                clear_abandoned(place)
        return cls(folder, read_recipe(folder / "recipe.toml"), facts, metrics, state=state)

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def state(self) -> str:
        """`running`, `finished`, `interrupted`, `failed`, or `killed` (its process ended without recording an end)."""
        return self._state

    @property
    def figures(self) -> dict[str, float]:
        """The recorded numbers: `test_top1` (percent), `images_per_second`, `train_seconds`, ..."""
        return {key: value for key, value in self.facts.items() if type(value) in (int, float)}

    @property
    def steps(self) -> int:
        """The steps of which there are figures."""
        return self.metrics[-1].step if self.metrics else 0

    @property
    def title(self) -> str:
        """Architecture, framework and data set, for people."""
        return f"{self.facts['architecture']} · {self.facts['framework']} · {self.facts['data_label']}"

    def check_recorded(self, keys: Iterable[str], advice: str) -> None:
        """Raise `DataError` where `run.json` lacks one of `keys`, which not every run has. `advice` says what to do."""
        if missing := ", ".join(key for key in keys if key not in self.facts):
            raise DataError(f"{self.folder}: run.json has no {missing}; {advice}")

    def begin(self) -> None:
        """Call it after every step and before the end, as `log` does. The first call writes the record of a run that
        goes on.

        Until then the folder of such a run is as it was found: a run that trains no step loses nothing.
        """
        if self._found is not None and not self.begun:
            if (self.folder / EVENTS).is_dir():
                self._events = EventFile(self.folder, self.steps)
            elif self._tensorboard:
                self._events = EventFile(self.folder)
                for epoch in self.metrics:
                    self._events.write(epoch.step, to_figures(epoch))
            self.save()
            write_bytes(self.folder / "recipe.toml", to_toml(self.recipe).encode())
        self.begun = True

    def log(self, epoch: EpochMetrics) -> None:
        """Add the figures of an epoch and write them to the disk at once. They replace those of a part of it."""
        self.begin()
        self.metrics = [*(one for one in self.metrics if one.epoch < epoch.epoch), epoch]
        if self._events:
            self._events.write(epoch.step, to_figures(epoch))
        self.facts["plan_digests"] = [epoch.plan_digest for epoch in self.metrics]
        self.save()

    def finish(self, **figures: Any) -> None:
        """Record that the training is over, and its figures: `test_top1` (percent), `images_per_second`, ...

        If a signal arrived before, the run counts as interrupted.
        """
        self._draw()
        check()
        if self._events and self.metrics:
            tested = {key: value for key, value in self.figures.items() if key.startswith("test_")}
            self._events.write(self.steps, tested)
        self._end(FINISHED, figures)

    def discard(self) -> None:
        """Remove the folder if this process made it. That of a run that goes on stays."""
        if self._found is None:
            self._release()
            shutil.rmtree(self.folder, ignore_errors=True)

    def save(self) -> None:
        """Write the current metrics and facts."""
        write_bytes(self.folder / "metrics.jsonl", to_jsonl(self.metrics).encode())
        write_bytes(self.folder / "metrics.csv", to_csv(self.metrics).encode())
        text = json.dumps(self.facts, indent=2, ensure_ascii=False) + "\n"
        # A name that is not UTF-8 has lone surrogates. Python's escapes for them are valid JSON.
        write_bytes(self.folder / "run.json", text.encode("utf-8", "backslashreplace"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is not None and self._state == "running" and self.folder.is_dir():
                self._break_off(error)
        finally:
            self._release()

    def _break_off(self, error: BaseException) -> None:
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        reason = {"reason": " ".join(str(error).split()) or type(error).__name__}
        if self._found is not None and not self.begun:
            self.facts, self.metrics = dict(self._found.facts), list(self._found.metrics)
            if self.facts["status"] == FINISHED:  # and still is
                status, reason = FINISHED, {}
        try:
            self._draw()
            self._end(status, reason)
        except StorageError:
            _rewrite_status(self.folder / "run.json", status)
            self._state = status
            if not isinstance(error, StorageError):  # otherwise `error`, the first one, is raised and says more
                raise

    def _draw(self) -> None:
        self.save()
        if self.metrics:
            for format in FORMATS:
                with replacing(self.folder / f"curves.{format}") as file:
                    draw_curves(file, printable(self.title), self.metrics, format)

    def _end(self, status: str, figures: Mapping[str, Any]) -> None:
        """Write the figures and the status. The status comes last: when it is there, all other files are, too."""
        self.facts |= {"status": status, **figures}
        self.save()
        self._state = status

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()


def _lock(folder: Path) -> RunLock:
    try:
        with writing(folder):
            return RunLock(folder)
    except StorageError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _rewrite_status(path: Path, status: str) -> None:
    """Change the status on a full disk. The file is changed in place, because there is no room for a second one."""
    with suppress(OSError, ValueError), path.open("rb+") as file:
        old = file.read()
        new = json.dumps(json.loads(old) | {"status": status}, ensure_ascii=False).encode()  # shorter: not indented
        file.seek(0)
        file.write(new.ljust(len(old) - 1) + b"\n")
