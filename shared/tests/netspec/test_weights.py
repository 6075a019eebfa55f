"""Weight files: what is written comes back bit for bit, and nothing else is taken."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

import netspec.tensor_file
import netspec.weights
from diptych.errors import StorageError, WeightsError
from netspec import Graph, Node, architecture, initial_weights, load_weights, ops, save_weights
from netspec.probes import probe_weights
from netspec.weights import weights_hash


@pytest.fixture
def saved(small, tmp_path):
    path = tmp_path / "small.safetensors"
    save_weights(small, probe_weights(small), path)
    return path


def refusal(graph, path) -> str:
    with pytest.raises(WeightsError) as caught:
        load_weights(graph, path)
    assert len(str(caught.value).splitlines()) == 1
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_round_trip(small, saved):
    weights, loaded = probe_weights(small), load_weights(small, saved)
    assert set(loaded) == set(small.params)
    for name, values in weights.items():
        assert loaded[name].dtype == np.float32
        np.testing.assert_array_equal(loaded[name], values)
    assert weights_hash(loaded) == weights_hash(weights)


def test_float64_is_written_as_float32(small, tmp_path):
    wide = {name: values.astype(np.float64) for name, values in probe_weights(small).items()}
    save_weights(small, wide, tmp_path / "w.safetensors")
    loaded = load_weights(small, tmp_path / "w.safetensors")
    assert {values.dtype for values in loaded.values()} == {np.dtype(np.float32)}


def test_weights_fit_wherever_they_make_sense(tmp_path):
    trained = architecture("nin", dropout=0.2, image_size=24)
    save_weights(trained, initial_weights(trained), tmp_path / "w.safetensors")
    assert load_weights(architecture("nin"), tmp_path / "w.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_no_builder_reads_are_not_written(small, tmp_path, value):
    name, *_ = weights = {name: array.astype(np.float64) for name, array in probe_weights(small).items()}
    weights[name].flat[0] = value
    with pytest.raises(WeightsError, match=f"is not written: 1 of the .* values of '{name}' are NaN or infinite"):
        save_weights(small, weights, tmp_path / "w.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_file(small, saved):
    whole = saved.read_bytes()
    for size in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        saved.write_bytes(whole[:size])
        assert "cannot read weights" in refusal(small, saved)


def test_a_flipped_byte_of_a_value(small, saved):
    data = bytearray(saved.read_bytes())
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    for place in (begin, (begin + len(data)) // 2, len(data) - 1):
        damaged = data.copy()
        damaged[place] ^= 1
        saved.write_bytes(damaged)
        assert "damaged" in refusal(small, saved)


def test_any_flipped_byte_of_the_header(small, saved):
    data = saved.read_bytes()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    for place in range(0, end, 5):
        damaged = bytearray(data)
        damaged[place] ^= 0x15
        saved.write_bytes(damaged)
        try:
            loaded = load_weights(small, saved)
        except WeightsError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017  # some bytes name only the architecture
        else:
            assert weights_hash(loaded) == weights_hash(probe_weights(small))


def test_another_network(small, saved):
    assert "has weights of net, not of lenet5" in refusal(architecture("lenet5"), saved)


def test_wrong_shapes():
    """VGG has one digest for all image sizes, but its first dense layer has not one shape."""
    big, little = (architecture("vgg11", image_size=size, num_classes=10) for size in (64, 32))
    assert big.digest == little.digest
    weights = {name: np.zeros(param.shape, np.float32) for name, param in little.params.items()}
    with pytest.raises(WeightsError, match=r"'fc6.weight' has shape \(4096, 512\).*\(4096, 2048\)"):
        netspec.weights.check_weights(big, weights, "the weights")


def test_wrong_shapes_in_a_file(tmp_path):
    def network(size):
        nodes = Node("flat", ops.Flatten(), ("image",)), Node("fc", ops.Linear(5), ("flat",))
        return Graph("net", (3, size, size), nodes, ("fc",))

    path = tmp_path / "w.safetensors"
    save_weights(network(4), probe_weights(network(4)), path)
    assert "'fc.weight' has shape (5, 48)" in refusal(network(8), path)


def test_weights_for_other_classes_or_channels(tmp_path):
    path = tmp_path / "w.safetensors"
    mine = architecture("lenet5")
    save_weights(mine, probe_weights(mine), path)
    assert "'fc3.weight' has shape (10, 84)" in refusal(architecture("lenet5", num_classes=3), path)
    assert "'conv1.weight' has shape (6, 3, 5, 5)" in refusal(architecture("lenet5", in_channels=1), path)


def test_another_network_of_the_same_name_and_shapes(small, saved):
    nodes = tuple(
        Node(node.name, replace(node.op, fn="mish"), node.inputs) if node.op.kind == "activation" else node
        for node in small
    )
    other = Graph("net", small.input_shape, nodes, small.outputs)
    assert "has weights of another network with the same name, net" in refusal(other, saved)


def test_foreign_safetensors(small, tmp_path):
    """Taken where names and shapes are right; more of them in parity_tests/test_foreign_weights.py."""
    path = tmp_path / "foreign.safetensors"
    save_file(probe_weights(small), path)
    assert weights_hash(load_weights(small, path)) == weights_hash(probe_weights(small))
    assert "'conv1.weight' of lenet5 is not in" in refusal(architecture("lenet5"), path)


def test_no_file_a_folder_and_no_safetensors(small, tmp_path):
    refusal(small, tmp_path / "nowhere.safetensors")
    refusal(small, tmp_path)
    (tmp_path / "text.safetensors").write_text("these are no weights at all")
    refusal(small, tmp_path / "text.safetensors")


def forged(small, path, change) -> None:
    """A file whose metadata are right but for `change`."""
    weights = change(probe_weights(small))
    metadata = {"format": netspec.weights.FORMAT, "architecture": "net", "digest": small.digest}
    save_file(weights, path, {**metadata, "sha256": weights_hash(weights)})


def test_a_tensor_missing_or_too_many(small, tmp_path):
    path = tmp_path / "w.safetensors"
    forged(small, path, lambda w: {name: values for name, values in w.items() if name != "fc.bias"})
    assert "'fc.bias' of net is not in" in refusal(small, path)
    forged(small, path, lambda w: {**w, "fc.extra": np.zeros(3, np.float32)})
    assert "'fc.extra'" in refusal(small, path)


def test_another_precision(small, tmp_path):
    path = tmp_path / "w.safetensors"
    forged(small, path, lambda w: {name: values.astype(np.float16) for name, values in w.items()})
    with pytest.raises(WeightsError):
        load_weights(small, path)


@pytest.mark.parametrize("names", [("module",), ("_orig_mod",), ("module.module",), ("", "."), ("." * 900, "x" * 900)])
def test_names_that_are_no_names(small, tmp_path, names):
    save_file(dict.fromkeys(names, np.zeros(3, np.float32)), tmp_path / "w.safetensors")
    assert "is not in" in refusal(small, tmp_path / "w.safetensors")


def test_names_without_end(small, tmp_path):
    save_file(dict.fromkeys(("." * 20_000, "." * 20_001), np.zeros(3, np.float32)), tmp_path / "w.safetensors")
    assert "a tensor has a name of 20,00" in refusal(small, tmp_path / "w.safetensors")


def test_metadata(small, saved):
    data = saved.read_bytes()
    metadata = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])["__metadata__"]
    assert metadata["architecture"] == "net"
    assert metadata["digest"] == small.digest
    assert metadata["sha256"] == weights_hash(probe_weights(small))


def test_nothing_is_half_written(small, tmp_path, monkeypatch):
    def fail(tensors, path, metadata):
        path.write_bytes(b"half of it")
        raise OSError("no space left on the device")

    monkeypatch.setattr(netspec.tensor_file, "save_file", fail)
    with pytest.raises(StorageError, match="no space"):
        save_weights(small, probe_weights(small), tmp_path / "w.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_wrong_weights_are_not_written(small, tmp_path):
    with pytest.raises(WeightsError, match=r"'conv\.weight' of net is not in the weights"):
        save_weights(small, {}, tmp_path / "w.safetensors")
    assert list(tmp_path.iterdir()) == []
