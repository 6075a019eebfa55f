"""How fast onnxruntime runs each run's file. The files take turns, so what disturbs the machine disturbs all."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.benchmarking import time_sessions
from deploy.model import load_model
from deploy.timings import Timing
from parity.compare.answers import MODEL
from parity.compare.selection import Side

BATCHES = (1, 32)
SECONDS = 1.0  # for each file and batch


@dataclass(frozen=True)
class Latency:
    """A batch size, and a timing for each run; times in milliseconds."""

    batch: int
    timings: tuple[Timing, ...]


def latencies(sides: Sequence[Side], *, unfinished: bool = False) -> list[Latency]:
    """Time the files of all runs. Raises `ModelError` for a file that does not run."""
    models = [load_model(side.folder / MODEL, unfinished=unfinished) for side in sides]
    places = [(model.session, model.input_shape, batch) for batch in BATCHES for model in models]
    timings = time_sessions(places, SECONDS)
    return [
        Latency(batch, tuple(timings[place * len(sides) : (place + 1) * len(sides)]))
        for place, batch in enumerate(BATCHES)
    ]
