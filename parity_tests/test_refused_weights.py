"""Weight files with other tensors, of another kind or damaged: refused in one line, and nothing in them is run."""

import os
import pickle
import zipfile
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import torch_impl
from diptych.errors import WeightsError
from netspec import load_weights, save_weights
from netspec.weights import fit_weights
from resnet20_weights import GRAPH, WEIGHTS, prefixed, same, state


class Bomb:
    """A pickle that would leave a file behind if anything in it ran."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def without(name):
    return {key: tensor for key, tensor in state().items() if key != name}


def cut(path):
    torch.save(state(), path)
    path.write_bytes(path.read_bytes()[:-3000])


def flipped(path):
    """One byte of a tensor is another: the archive's checksums say so."""
    torch.save(state(), path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def short_safetensors(path):
    save_file(state(), path)
    path.write_bytes(path.read_bytes()[:-100])


def beyond(path):
    """A tensor that reaches beyond its storage."""
    torch.save(state(), path)
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content[:4] if name.endswith("data/0") else content)


def compressed(path):
    torch.save(state(), path)
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def zipped_pickle(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", content)


def repeated(path):
    """A storage that a thousand tensors show: they would take a thousand times the file's size."""
    one = torch.ones(1000)
    torch.save({f"{i}": one for i in range(1000)}, path)


def spoiled(value: float, kind: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """A state dict of which one value is another."""
    tensors = {name: tensor.to(kind) for name, tensor in state().items()}
    next(iter(tensors.values())).view(-1)[0] = value
    return tensors


def own_nan(path: Path) -> None:
    """As earlier versions wrote it."""
    tensors = {name: array.copy() for name, array in WEIGHTS.items()}
    next(iter(tensors.values())).flat[-1] = np.nan
    with patch("netspec.weights._finite", lambda weights, path: weights):
        save_weights(GRAPH, tensors, path)


REFUSED = {  # what it is -> how it is written, and what the sentence says
    "missing": (lambda path: save_file(without("stem.weight"), path), "'stem.weight' of resnet20 is not in"),
    "surplus": (
        lambda path: save_file({**state(), "more": torch.ones(2)}, path),
        "'more' is in .* not in resnet20",
    ),
    "missing_pt": (lambda path: torch.save(without("stem.weight"), path), "'stem.weight' of resnet20 is not in"),
    "shape": (
        lambda path: save_file({**state(), "stem.weight": torch.ones(2)}, path),
        r"'stem\.weight' has shape \(2,\)",
    ),
    "whole_numbers": (
        lambda path: save_file({n: t.to(torch.int32) for n, t in state().items()}, path),
        "'stem.weight' is int32",
    ),
    "int64_pt": (lambda path: torch.save({n: t.long() for n, t in state().items()}, path), "'stem.weight' is int64"),
    "float8": (
        lambda path: save_file({n: t.to(torch.float8_e4m3fn) for n, t in state().items()}, path),
        "'.*' is F8_E4M3",
    ),
    "complex": (
        lambda path: torch.save({n: t.to(torch.complex64) for n, t in state().items()}, path),
        "'stem.weight' is not a tensor",
    ),
    "twice": (lambda path: torch.save({**state(), **prefixed("module.")}, path), "twice"),
    "module": (lambda path: torch.save(torch_impl.build(GRAPH), path), "save model.state_dict"),
    "list": (lambda path: torch.save([1, 2], path), "not a state dict"),
    "empty_dict": (lambda path: torch.save({}, path), "not a state dict"),
    "tensor": (lambda path: torch.save(torch.ones(3), path), "not a state dict"),
    "script": (lambda path: torch.jit.save(torch.jit.trace(nn.ReLU(), torch.ones(1)), path), "compressed"),
    "legacy": (lambda path: torch.save(state(), path, _use_new_zipfile_serialization=False), "before 1.6"),
    "object": (lambda path: torch.save(np.random.default_rng(0), path), "Python object"),
    "cut": (cut, "cannot read weights"),
    "flipped": (flipped, "cannot read weights"),
    "beyond": (beyond, "cannot read weights"),
    "compressed": (compressed, "compressed"),
    "short_safetensors": (short_safetensors, "cannot read weights"),
    "other_zip": (lambda path: zipfile.ZipFile(path, "w").writestr("a", "b"), "torch.save did not write"),
    "repeated": (repeated, "its tensors are larger than the file"),
    "no_end": (lambda path: zipped_pickle(path, b"\x80\x02}"), "cannot read weights"),
    "underflow": (lambda path: zipped_pickle(path, b"\x80\x02R."), "cannot read weights"),
    "persistent": (lambda path: zipped_pickle(path, b"\x80\x02K\x01Q."), "cannot read weights"),
    "numpy": (lambda path: np.savez(path.open("wb"), **WEIGHTS), "torch.save did not write"),
    "hdf5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)), "HDF5"),
    "text": (lambda path: path.write_text("no weights at all"), "cannot read weights"),
    "empty": (lambda path: path.touch(), "it is empty"),
    "folder": (lambda path: path.mkdir(), "it is a folder"),
    "pipe": (os.mkfifo, "not a regular file"),
    "nothing": (lambda path: None, "No such file"),
    "nan": (lambda path: save_file(spoiled(float("nan")), path), "1 of the .* values of '.*' are NaN or infinite"),
    "infinity": (lambda path: torch.save(spoiled(float("inf")), path), "are NaN or infinite"),
    "too_large": (lambda path: torch.save(spoiled(1e300, torch.float64), path), "are NaN or infinite"),
    "own_nan": (own_nan, "are NaN or infinite"),
    "version": (lambda path: save_file(state(), path, {"format": "diptych weights 2"}), "another version"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_another_file_is_refused_in_a_line(kind, tmp_path):
    path = tmp_path / "weights"
    write, match = REFUSED[kind]
    write(path)
    for read in (load_weights, partial(fit_weights, initial=WEIGHTS, notice=pytest.fail)):
        with pytest.raises(WeightsError, match=match) as caught:
            read(GRAPH, path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["whole", "value", "key"])
def test_nothing_in_a_pickle_is_run(place, tmp_path):
    path, trace = tmp_path / "w.pt", tmp_path / "ran"
    bomb = Bomb(trace)
    torch.save({"whole": bomb, "value": {**state(), "x": bomb}, "key": {"state_dict": state(), "x": bomb}}[place], path)
    if place == "key":
        same(load_weights(GRAPH, path))  # the rest of a checkpoint is not looked at
    else:
        with pytest.raises(WeightsError, match="mkdir|not a tensor"):
            load_weights(GRAPH, path)
    assert not trace.exists()


def test_damaged_state_dicts(tmp_path):
    """Whatever bytes are changed: the right weights, or a line."""
    path, generator = tmp_path / "w.pt", np.random.default_rng(0)
    torch.save(state(), path)
    whole, refused = path.read_bytes(), 0
    with zipfile.ZipFile(path) as archive:
        content = archive.read("w/data.pkl")
    for trial in range(300):
        damaged = bytearray(content if trial % 2 else whole)
        for place in generator.integers(len(damaged), size=1 + trial % 4):
            damaged[place] = generator.integers(256)
        if trial % 2:
            zipped_pickle(path, bytes(damaged))
        else:
            path.write_bytes(damaged)
        try:
            same(load_weights(GRAPH, path))
        except WeightsError:
            refused += 1
    assert refused > 150


def test_pickles_of_another_kind_make_nothing():
    from netspec.torch_file import unpickled

    assert unpickled(pickle.dumps({"a": [1, 2.5, None, True, ("x", ())]}, 4)) == {"a": [1, 2.5, None, True, ("x", ())]}
    made = unpickled(pickle.dumps(OSError("x"), 2))
    assert type(made).__name__ == "Named"
