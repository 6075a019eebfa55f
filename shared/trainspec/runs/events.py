"""Write figures for TensorBoard, with neither TensorBoard nor a framework installed.

An event file is a row of records (TensorFlow's TFRecord): the length in 8 bytes, the masked CRC-32C of these bytes, the
data, and the masked CRC-32C of the data, all little-endian. The data are an `Event` in protobuf's form. Its fields:
1 wall time (double), 2 step (varint), 3 version of the file (text), 5 summary: a message with a value (1) for each
figure, which has a tag (1, text) and a simple value (2, float).
"""

import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from diptych.errors import StorageError
from diptych.files import cannot_write, make_folder

FOLDER = "tensorboard"  # in the folder of a run
VERSION = b"brain.Event:2"
VARINT, DOUBLE, BYTES, FLOAT = 0, 1, 2, 5  # protobuf's wire types


class EventFile:
    """The event file of a run. Every method that writes raises `StorageError` if the disk does not take it."""

    def __init__(self, run: Path) -> None:
        folder = make_folder(run / FOLDER)
        self.path = folder / f"events.out.tfevents.{int(time.time())}.diptych"
        self._append(event(time.time(), 0, _field(3, BYTES, VERSION)))

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Append the figures of a step under their names."""
        values = b"".join(_field(1, BYTES, _value(name, figure)) for name, figure in figures.items())
        self._append(event(time.time(), step, _field(5, BYTES, values)))

    def _append(self, data: bytes) -> None:
        content = record(data)
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            try:
                written = os.write(file, content)  # in one call, so that a signal leaves whole records
            finally:
                os.close(file)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        if written != len(content):
            raise StorageError(f"{self.path} cannot be written: the disk is full; free some room")


def event(wall_time: float, step: int, content: bytes) -> bytes:
    """An `Event` in protobuf's form. `content` is its last field."""
    return _field(1, DOUBLE, struct.pack("<d", wall_time)) + _field(2, VARINT, _varint(step)) + content


def record(data: bytes) -> bytes:
    """A TFRecord of `data`."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data))


def masked_crc(data: bytes) -> int:
    """The CRC-32C (Castagnoli) of `data`, masked as TFRecord does: rotated right by 15 bits, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE = [_entry(byte) for byte in range(256)]


def _value(name: str, figure: float) -> bytes:
    with np.errstate(over="ignore"):  # a loss that float32 does not hold becomes infinite
        return _field(1, BYTES, name.encode()) + _field(2, FLOAT, np.asarray(figure).astype("<f4").tobytes())


def _field(number: int, wire: int, content: bytes) -> bytes:
    length = _varint(len(content)) if wire == BYTES else b""
    return _varint(number << 3 | wire) + length + content


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
