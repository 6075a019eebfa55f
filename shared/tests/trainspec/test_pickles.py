"""Pickles are read as plain data; nothing is called, whatever they ask for."""

import os
import pickle
import struct

import numpy as np
import pytest
from measured import measured

from netspec import pickled
from netspec.pickled import PickleError
from trainspec.data.pickles import Array, read_pickle

ROWS = np.arange(12, dtype=np.uint8).reshape(3, 4)
PLAIN = {b"data": [1, -5, 2**40, True, None, "text", b"bytes", ("a", 1), {"b": []}, 1.5, ""], "x": ()}


@pytest.mark.parametrize("protocol", range(5))
def test_plain_data_come_back(protocol):
    assert read_pickle(pickle.dumps(PLAIN, protocol)) == PLAIN


@pytest.mark.parametrize("protocol", range(5))
def test_arrays_come_back(protocol):
    found = read_pickle(pickle.dumps({b"data": ROWS}, protocol))[b"data"]
    assert isinstance(found, Array)
    assert np.array_equal(found.rows(4), ROWS)


def test_a_pickle_as_python_2_wrote_it():
    """The form of CIFAR's files: text that is bytes, in protocol 2 and, for the names, 0."""
    content = (
        b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x06K\teU\x04dataq\x04"
        b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07"
        b"(K\x01K\x03K\x04\x86cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01\x87Rq\x09"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x0c" + ROWS.tobytes() + b"tbu."
    )
    assert pickle.loads(content, encoding="bytes").keys() == {b"labels", b"data"}
    found = read_pickle(content)
    assert found[b"labels"] == [6, 9]
    assert np.array_equal(found[b"data"].rows(4), ROWS)
    names = b"(dp1\nS'label_names'\np2\n(lp3\nS'airplane'\np4\naS'dog'\np5\nasS'count'\np6\nI10000\ns."
    assert read_pickle(names) == {b"label_names": [b"airplane", b"dog"], b"count": 10000}


class Call:
    def __init__(self, what, *arguments):
        self.called = what, arguments

    def __reduce__(self):
        return self.called


def array_with(**changes):
    """A pickled array whose state is changed."""

    class Changed:
        def __reduce__(self):
            kind, arguments, state = ROWS.__reduce__()
            names = ("version", "shape", "dtype", "fortran", "content")
            return kind, arguments, tuple((dict(zip(names, state, strict=True)) | changes).values())

    return pickle.dumps(Changed(), 2)


HOSTILE = {
    "a call": pickle.dumps(Call(os.system, "touch attacked"), 2),
    "a call, protocol 4": pickle.dumps(Call(os.system, "touch attacked"), 4),
    "a call, protocol 0": b"cposix\nsystem\n(S'touch attacked'\ntR.",
    "an instance": b"(S'touch attacked'\niposix\nsystem\n.",
    "an object": b"(cposix\nsystem\nS'touch attacked'\no.",
    "a new object": b"\x80\x02cposix\nsystem\nU\x01a\x85\x81.",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent id": b"Px\n.",
    "encode by another codec": pickle.dumps(Call(__import__("codecs").encode, "x", "zlib"), 2),
    "bytes of a number": b"c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.",
    "a type of objects": array_with(dtype=np.dtype(object)),
    "a huge shape": array_with(shape=(2**40, 4)),
    "a negative shape": array_with(shape=(-3, 4)),
    "a deep shape": array_with(shape=(1,) * 60),
    "a shape of text": array_with(shape=("3", 4)),
    "content that is a list": array_with(content=[1, 2]),
    "content that is short": array_with(content=b"x"),
    "floats": pickle.dumps(np.zeros((3, 4)), 2),
    "fortran": pickle.dumps(np.asfortranarray(ROWS), 2),
    "not numbers in C order": b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R}b.",
    "a state of a state": array_with()[:-1] + b"}b.",
    "a state for a list": b"]}b.",
    "a huge string": b"\x8e" + struct.pack("<Q", 2**62) + b"x.",
    "a huge number": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",
    "a huge memo": b"]r" + struct.pack("<I", 2**32 - 1) + b"0j" + struct.pack("<I", 2**32 - 2) + b".",
    "a negative memo": b"]p-5\n0g-6\n.",
    "a bytearray": b"\x96" + struct.pack("<Q", 2**40) + b"x.",
    "laughs": b"(" + b"]" + b"".join(b"q%c(" % n + b"h%c" % n * 10 + b"l" for n in range(40)) + b"2222",
    "a list in itself": b"]q\x00h\x00ah\x01.",
    "no end": b"]]]]",
    "empty": b"",
    "underflow": b"R.",
    "unhashable": b"}]]s.",
    "odd items": b"}(K\x01u.",
    "digits": b"I" + b"9" * 10_000 + b"\n.",
    "text": b"no pickle",
    "wrong text": b"X\x02\0\0\0\xff\xfe.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)

    def read():
        found = read_pickle(HOSTILE[name])
        while isinstance(found, Array):
            found = found.rows(4)
        raise PickleError("harmless") if name in ("a huge memo", "a negative memo", "laughs") else AssertionError(found)

    with pytest.raises(Exception) as error:  # noqa: PT011  whatever pickletools raises; `cifar` turns it into a line
        read()
    assert not isinstance(error.value, AssertionError)
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_operations_is_limited(monkeypatch):
    monkeypatch.setattr(pickled, "MAX_OPERATIONS", 1000)
    assert read_pickle(b"]" + b"0]" * 400 + b".") == []
    with pytest.raises(PickleError, match="too many"):
        read_pickle(b"]" + b"0]" * 600 + b".")


def test_hostile_pickles_take_little_memory():
    program = """
from test_pickles import HOSTILE
from trainspec.data.pickles import read_pickle
# measured
for content in HOSTILE.values():
    try:
        read_pickle(content)
    except Exception as error:
        str(error)
"""
    _, grown = measured(program)
    assert grown < 300
