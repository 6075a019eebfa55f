"""Event files for TensorBoard, read by a reader written here from the formats' descriptions."""

import os
import struct
from collections.abc import Iterator

import pytest
from test_runs import epoch

from diptych.errors import StorageError
from trainspec.runs.events import EventFile, masked_crc
from trainspec.runs.metrics import to_figures


def test_the_checksum_of_known_data():
    """The check value of CRC-32C, and two of the examples in RFC 3720."""
    for data, crc in ((b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)):
        assert masked_crc(data) == ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF


def varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value, shift, place = value | (byte & 0x7F) << shift, shift + 7, place + 1
        if byte < 0x80:
            return value, place


def message(data: bytes) -> Iterator[tuple[int, object]]:
    place = 0
    while place < len(data):
        key, place = varint(data, place)
        if key & 7 == 0:
            value, place = varint(data, place)
            yield key >> 3, value
            continue
        length, place = varint(data, place) if key & 7 == 2 else ({1: 8, 5: 4}[key & 7], place)
        content, place = data[place : place + length], place + length
        yield key >> 3, content if key & 7 == 2 else struct.unpack("<d" if length == 8 else "<f", content)[0]


def read(content: bytes) -> Iterator[dict[int, object]]:
    place = 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        data = content[place + 12 : place + 12 + length]
        assert struct.unpack_from("<I", content, place + 8)[0] == masked_crc(content[place : place + 8])
        assert struct.unpack_from("<I", content, place + 12 + length)[0] == masked_crc(data)
        yield dict(message(data))
        place += length + 16


def test_what_is_written_is_read(tmp_path):
    events = EventFile(tmp_path)
    written = [(300, to_figures(epoch(1))), (2**40, to_figures(epoch(2, validated=False))), (1, {"loss": 1e300})]
    for step, figures in written:
        events.write(step, figures)
    first, *others = read(events.path.read_bytes())
    assert events.path.parent == tmp_path / "tensorboard"
    assert "tfevents" in events.path.name
    assert first[3] == b"brain.Event:2"
    found = []
    for event in others:
        assert isinstance(event[1], float)
        values = [dict(message(value)) for _, value in message(event[5])]
        found.append((event[2], {value[1].decode(): value[2] for value in values}))
    assert found[2] == (1, {"loss": float("inf")})
    for (step, figures), (read_step, read_figures) in zip(written[:2], found[:2], strict=True):
        assert step == read_step
        assert read_figures == pytest.approx(figures, rel=1e-6)
        assert "val_loss" in figures or step > 300


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    events = EventFile(tmp_path)
    monkeypatch.setattr(os, "write", lambda file, content: len(content) - 1)
    with pytest.raises(StorageError, match="the disk is full; free some room"):
        events.write(1, {"loss": 1.0})
