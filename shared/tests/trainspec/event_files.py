"""Reads event files by TensorBoard's own reader, which checks the checksum of every record."""

from collections.abc import Iterator
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub.errors import OutOfRangeError
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New


def events_in(path: Path) -> Iterator[Event]:
    reader = PyRecordReader_New(str(path))
    while True:
        try:
            reader.GetNext()
        except OutOfRangeError:
            return
        yield Event.FromString(reader.record())


def figures_of(event: Event) -> tuple[int, dict[str, float]]:
    """Its step, and its figures by name."""
    return event.step, {value.tag: value.simple_value for value in event.summary.value}
