"""Times a forward pass: percentiles of its latency and its throughput, with the warm-up apart. NumPy only."""

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from deploy.errors import DataError, UsageError
from deploy.files import read_bytes, write_bytes
from deploy.machine import describe_machine
from deploy.runtime import MOST_THREADS

SCHEMA = 1
PERCENTILES = (50, 90, 95, 99)
MOST = 1 << 26  # bytes of a file of timings
FEWEST = 5  # passes of a measurement
ROUNDS = 5  # turns of a measurement
LARGEST_BATCH = 4096
LONGEST = 3600.0
SMALLEST, LARGEST = 1e-6, 1e9  # of a number in a file: milliseconds, passes, threads


@dataclass(frozen=True)
class Timing:
    """A forward pass of `batch` images, `by` a runtime. Times are in milliseconds; `first` is the first pass."""

    by: str
    provider: str
    threads: int
    batch: int
    passes: int
    first: float
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float

    @property
    def images_per_second(self) -> float:
        return 1000 * self.batch / self.mean

    def fields(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "images_per_second": self.images_per_second}

    @classmethod
    def of(cls, by: str, provider: str, threads: int, batch: int, first: float, times: Sequence[float]) -> Self:
        """From the seconds of the passes after the warm-up, and those of the first pass."""
        percentiles = (1000 * float(value) for value in np.percentile(times, PERCENTILES))
        return cls(by, provider, threads, batch, len(times), 1000 * first, 1000 * float(np.mean(times)), *percentiles)


def check_settings(batches: Sequence[int], threads: Sequence[int | None], seconds: float) -> None:
    """Raise `UsageError` for a number out of range. `None` is the default number of threads."""
    if not batches or not all(1 <= batch <= LARGEST_BATCH for batch in batches):
        raise UsageError(f"batches {', '.join(map(str, batches))}: each is 1 to {LARGEST_BATCH}")
    if not threads:
        raise UsageError("threads: give at least one number")
    for count in threads:
        if count is not None and not 1 <= count <= MOST_THREADS:
            raise UsageError(f"{count} threads: give 1 to {MOST_THREADS}")
    if not 0 < seconds <= LONGEST:
        raise UsageError(f"{seconds} seconds: give more than 0 and at most {LONGEST:.0f}")


def passes(run: Callable[[], object], seconds: float, fewest: int = 1) -> list[float]:
    """The seconds of each pass, for about `seconds` and at least `fewest` passes."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < fewest or time.perf_counter() < end:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return times


def in_turns(
    runs: Sequence[Callable[[], object]], seconds: float, rounds: int = ROUNDS
) -> list[tuple[float, list[float]]]:
    """For each of `runs`, the seconds of its first pass, and of the passes in the `seconds` after the warm-up.

    The runs take turns, so what disturbs the machine disturbs all of them. A slow run has at least `FEWEST` passes.
    """
    firsts = []
    for run in runs:
        begin = time.perf_counter()
        run()
        firsts.append(time.perf_counter() - begin)
        passes(run, seconds / 10)  # the warm-up
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, own in zip(runs, times, strict=True):
            own += passes(run, seconds / rounds, math.ceil(FEWEST / rounds))
    return list(zip(firsts, times, strict=True))


def written(model: str, timings: Sequence[Timing]) -> str:
    """Timings as JSON with the machine that they were measured on. `read_timings` reads them."""
    head = {"schema": SCHEMA, "model": model, "machine": describe_machine()}
    return json.dumps(head | {"timings": [timing.fields() for timing in timings]}, indent=1) + "\n"


def save_timings(path: Path, model: str, timings: Sequence[Timing]) -> None:
    """Write what `written` gives, whole or not at all. Raises `StorageError`."""
    write_bytes(path, written(model, timings).encode("ascii"))


def _check(name: str, value: Any, kind: Any) -> None:
    """Raise `ValueError` for a value that no measurement gives."""
    number = type(value) in (int, kind) and kind is not str
    if not (SMALLEST <= value <= LARGEST if number else type(value) is kind):
        raise ValueError(f"{name} is {str(value)[:40]}")


def read_timings(path: str | os.PathLike[str]) -> list[Timing]:
    """The timings in a file of `benchmark --json` or of `python -m parity time`. Raises `DataError`."""
    try:
        found = json.loads(read_bytes(path, MOST))
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema {found['schema']!r}")
        timings = [Timing(**{name: entry[name] for name in Timing.__dataclass_fields__}) for entry in found["timings"]]
        for timing in timings:
            for name, field in Timing.__dataclass_fields__.items():
                _check(name, getattr(timing, name), field.type)
        return timings
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: not a file of timings ({str(error)[:100]})") from None
