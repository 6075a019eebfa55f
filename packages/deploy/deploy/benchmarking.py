"""The command `benchmark`: latency and throughput of a model by batch size, threads and provider."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deploy import runtime
from deploy.arguments import checked
from deploy.errors import UsageError
from deploy.model import load_model
from deploy.runtime import provider_of, threads_of
from deploy.shell import say
from deploy.timings import ROUNDS, Timing, check_settings, in_turns, read_timings, save_timings

BATCHES = (1, 8, 32)
SECONDS = 2.0
PLOTTED = (".png", ".svg", ".pdf")


@checked
def benchmark(
    model: str | os.PathLike[str],
    *,
    batches: Sequence[int] = BATCHES,
    threads: Sequence[int | None] = (None,),
    providers: Sequence[str | None] = (None,),
    seconds: float = SECONDS,
    unfinished: bool = False,
    notice: Callable[[str], object] = print,
) -> list[Timing]:
    """Time the forward pass in every combination, `seconds` each, in turns. Inputs are random float32 images.

    `unfinished` also accepts the model of an unfinished run. `notice` gets a line if a better provider is built in but
    does not run here. Raises `DiptychError` for a model or a provider that does not run, and for numbers out of range.
    """
    check_settings(batches, threads, seconds)
    if not providers:
        raise UsageError("providers: give at least one")
    places: list[tuple[Any, tuple[int, int, int], int]] = []
    notes: list[str] = []
    for provider in providers:
        for count in threads:
            loaded = load_model(model, provider=provider, threads=count, unfinished=unfinished)
            places += [(loaded.session, loaded.input_shape, batch) for batch in batches]
            notes += runtime.notes(loaded.passed_over)
    for note in dict.fromkeys(notes):
        notice(f"note: {note}")
    return time_sessions(places, seconds)


def time_sessions(
    places: Sequence[tuple[Any, tuple[int, int, int], int]], seconds: float, rounds: int = ROUNDS
) -> list[Timing]:
    """Time sessions of onnxruntime, each with the shape `(C, H, W)` of its images and the size of its batch, in turns.

    `seconds` are for each of them, in so many `rounds`.
    """
    measured = in_turns([_pass(*place) for place in places], seconds, rounds)
    return [
        Timing.of("onnxruntime", provider_of(session), threads_of(session), batch, first, times)
        for (session, _, batch), (first, times) in zip(places, measured, strict=True)
    ]


def _pass(session: Any, shape: tuple[int, int, int], batch: int) -> Callable[[], object]:
    images = np.random.default_rng(0).normal(size=(batch, *shape)).astype(np.float32)
    names, feeds = [session.get_outputs()[0].name], {session.get_inputs()[0].name: images}
    return lambda: session.run(names, feeds)


def benchmark_command(
    model: Path,
    *,
    batch: Sequence[int] = BATCHES,
    threads: Sequence[int] | None = None,
    provider: Sequence[str] | None = None,
    seconds: float = SECONDS,
    unfinished: bool = False,
    json: Path | None = None,
    plot: Path | None = None,
    beside: Sequence[Path] | None = None,
) -> None:
    """Print a table of the timings, with those of the files `beside`; write them as JSON and draw them if asked."""
    if plot is not None and plot.suffix.lower() not in PLOTTED:
        raise UsageError(f"--plot {plot}: give the name of a file in {', '.join(PLOTTED)}")
    read = [(str(path), read_timings(path)) for path in dict.fromkeys(beside or ())]
    own = benchmark(
        model,
        batches=batch,
        threads=threads or (None,),
        providers=provider or (None,),
        seconds=seconds,
        unfinished=unfinished,
        notice=say,
    )
    together = side_by_side(own, read)
    for line in lines(together):
        say(line)
    if json is not None:
        save_timings(json, str(model), own)
    if plot is not None:
        _draw(plot, together)


def side_by_side(own: Sequence[Timing], read: Sequence[tuple[str, Sequence[Timing]]]) -> list[Timing]:
    """Our timings and those `read` from files, by path. A file's path is added to a runtime that others have too."""
    sources = [("", own), *read]
    found = [*own]
    for name, timings in read:
        others = {each.by for _, those in sources if those is not timings for each in those}
        found += [replace(each, by=f"{each.by} ({name})") if each.by in others else each for each in timings]
    return found


def _draw(path: Path, timings: Sequence[Timing]) -> None:
    from deploy.picture import draw_timings

    for note in draw_timings(path, timings):
        say(f"note: {note}")


def lines(timings: Sequence[Timing]) -> list[str]:
    """A table, times in milliseconds. `images/s` is of the mean."""
    times = ("first", "mean", "p50", "p90", "p95", "p99")
    head = ("runtime", "provider", "threads", "batch", "passes", *times, "images/s")
    rows = [_cells(each) for each in timings]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(text.ljust(width) if place < 2 else text.rjust(width) for place, (text, width) in enumerate(cells))
        for cells in ([*zip(row, widths, strict=True)] for row in (head, *rows))
    ]


def _cells(each: Timing) -> list[str]:
    times = (each.first, each.mean, each.p50, each.p90, each.p95, each.p99)
    counts = map(str, (each.threads, each.batch, each.passes))
    return [each.by, each.provider, *counts, *(f"{value:.2f}" for value in times), f"{each.images_per_second:,.1f}"]
