"""Write figures for TensorBoard, by its own writer. The package `tensorboard` is an extra; it needs no framework."""

import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from deploy.files import make_folder, writing
from diptych.errors import UsageError

FOLDER = "tensorboard"  # in the folder of a run
VERSION = "brain.Event:2"  # the first record of every event file
START = 1  # SessionLog.START


def check_installed(run: Path | None = None) -> None:
    """Raises `UsageError` if TensorBoard is not installed. `run` is a run that goes on and already has such figures."""
    if find_spec("tensorboard") is None:
        what, otherwise = ("--tensorboard", "leave it out") if run is None else (run / FOLDER, "remove this folder")
        raise UsageError(f"{what}: TensorBoard is not installed; pip install tensorboard, or {otherwise}")


class EventFile:
    """The event file of a run. Every method that writes raises `StorageError` if the disk does not take it."""

    def __init__(self, run: Path, after: int | None = None) -> None:
        """`after`: the run goes on after this step, and TensorBoard forgets what earlier files have of later ones."""
        self.path = make_folder(run / FOLDER) / f"events.out.tfevents.{int(time.time())}.diptych"
        self._append(file_version=VERSION)
        if after is not None:
            self._append(step=after + 1, session_log={"status": START})

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Append the figures of a step under their names."""
        values = [{"tag": name, "simple_value": figure} for name, figure in figures.items()]
        self._append(step=step, summary={"value": values})

    def _append(self, **content: object) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # here, because few runs need it
        from tensorboard.summary.writer.record_writer import RecordWriter

        event = Event(wall_time=time.time(), **content).SerializeToString()
        # Written as the block ends, so that a signal leaves whole records.
        with writing(self.path), self.path.open("ab") as file:
            RecordWriter(file).write(event)
