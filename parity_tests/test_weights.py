"""Canonical weights pass from builder to builder bit for bit, and the models are good citizens of their frameworks."""

import copy
from itertools import permutations

import keras
import numpy as np
import onnx
import pytest
import torch
from torch import nn

import keras_impl
import onnx_impl
import torch_impl
from diptych.errors import WeightsError
from netspec import architecture, initial_weights, list_architectures, load_weights, ops, save_weights
from netspec.compare import forward_difference, tensor_difference
from netspec.probes import probe_images, probe_weights
from onnx_impl.measure import probe
from parity.examples import EXAMPLES, example
from parity.lightest import distinct

BUILDERS = {"torch": torch_impl, "keras": keras_impl}
PARENTS = {
    ops.Conv: nn.Conv2d,
    ops.Linear: nn.Linear,
    ops.BatchNorm: nn.BatchNorm2d,
    ops.InstanceNorm: nn.InstanceNorm2d,
}
SMALL = {name: distinct(name) for name in list_architectures()}
LIGHT = [name for name, graph in SMALL.items() if graph.num_total < 1_000_000]


def same(a, b) -> None:
    assert a.keys() == b.keys()
    assert a
    for name, values in a.items():
        assert values.dtype == b[name].dtype
        np.testing.assert_array_equal(values, b[name], err_msg=name)


@pytest.fixture(scope="module")
def norms():
    """Every kind of layer that owns weights, in one network."""
    from netspec import functional as f, trace

    def network(x):
        x = f.instance_norm(f.conv_bn(x, 6, 3, groups=3, bias=True, name="stem.conv1"), name="stem.norm")
        x = f.dropout(f.flatten(f.max_pool(x, 2)), 0.5)
        return f.linear(f.batch_norm(f.linear(x, 7, bias=False, name="fc1"), name="fc1.bn"), 5, name="fc2")

    return trace("norms", (3, 8, 8), network)


@pytest.mark.parametrize(("writer", "reader"), list(permutations(BUILDERS, 2)))
def test_one_saves_and_the_other_loads(norms, tmp_path, writer, reader):
    weights, path = probe_weights(norms), tmp_path / "w.safetensors"
    BUILDERS[writer].save_weights(BUILDERS[writer].build(norms, weights=weights), path)
    same(weights, load_weights(norms, path))
    other = BUILDERS[reader].build(norms, seed=5)
    BUILDERS[reader].load_weights(other, path)
    same(weights, BUILDERS[reader].get_weights(other))
    same(weights, BUILDERS[reader].get_weights(BUILDERS[reader].build(norms, weights=path)))


def test_weights_in_another_file_are_refused(norms, tmp_path):
    model = onnx_impl.build(norms, seed=3)
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0)
    model = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    for read in (onnx_impl.get_weights, lambda *given: onnx_impl.save_weights(*given, tmp_path / "w.safetensors")):
        with pytest.raises(WeightsError, match=r"keeps '.+' in another file; a model must be one file"):
            read(model, norms)


@pytest.mark.parametrize("other", BUILDERS)
def test_the_onnx_builder_saves_and_loads(norms, tmp_path, other):
    weights, path, back = probe_weights(norms), tmp_path / "w.safetensors", tmp_path / "back.safetensors"
    BUILDERS[other].save_weights(BUILDERS[other].build(norms, weights=weights), path)
    model = onnx_impl.build(norms, weights=path)
    same(weights, onnx_impl.get_weights(onnx.load_from_string(model.SerializeToString()), norms))
    onnx_impl.save_weights(model, norms, back)
    same(weights, BUILDERS[other].get_weights(BUILDERS[other].build(norms, weights=back)))


@pytest.mark.parametrize("name", LIGHT)
def test_all_start_from_the_same_bits(name):
    graph = SMALL[name]
    expected = initial_weights(graph, seed=3)
    for builder in BUILDERS.values():
        same(expected, builder.get_weights(builder.build(graph, seed=3)))
    same(expected, onnx_impl.get_weights(onnx_impl.build(graph, seed=3), graph))


@pytest.mark.parametrize("name", [*LIGHT, *(f"op.{name}" for name in EXAMPLES)])
def test_names(name):
    """state_dict keys and Keras layers are called as the spec has it."""
    graph = example(name[3:]) if name.startswith("op.") else SMALL[name]
    assert sorted(torch_impl.build(graph).state_dict()) == sorted(graph.params)
    layers = [layer.name for layer in keras_impl.build(graph).layers if not isinstance(layer, keras.layers.InputLayer)]
    assert sorted(layers) == sorted(node.name for node in graph)


@pytest.mark.parametrize("builder", BUILDERS)
def test_refused_weights_change_nothing(norms, tmp_path, builder):
    package = BUILDERS[builder]
    model, other, path = package.build(norms), architecture("lenet5"), tmp_path / "w.safetensors"
    before = package.get_weights(model)
    save_weights(other, initial_weights(other), path)
    with pytest.raises(WeightsError, match="has weights of lenet5, not of norms"):
        package.load_weights(model, path)
    with pytest.raises(WeightsError, match=r"stem\.conv1\.weight"):
        package.set_weights(model, {n: v for n, v in before.items() if n != "stem.conv1.weight"})
    same(before, package.get_weights(model))


UNEQUAL = {  # what is not an array of real numbers, and the words for it
    "text": (lambda values: values.astype(str), "is str"),
    "complex": (lambda values: values.astype(np.complex64), "is complex64"),
    "objects": (lambda values: values.astype(object), "is object"),
    "truth": (lambda values: values > 0, "is bool"),
    "dates": (lambda values: values.astype("datetime64[s]"), "is datetime64"),
    "nothing": (lambda values: None, "is object"),
    "uneven": (lambda values: [[1.0], [1.0, 2.0]], "cannot be made an array"),
    "a parameter": (lambda values: nn.Parameter(torch.tensor(values)), "cannot be made an array"),
}
EQUAL = {
    "lists": lambda values: values.tolist(),
    "other bytes": lambda values: values.astype(">f4"),
    "whole": lambda values: values.astype(np.int16),
    "double": lambda values: values.astype(np.float64),
    "half": lambda values: values.astype(np.float16),
    "bfloat16": lambda values: keras.ops.convert_to_numpy(keras.ops.cast(values, "bfloat16")),
    "turned": lambda values: np.asfortranarray(values[::-1])[::-1],
    "a tensor": torch.tensor,
}
TAKERS = {
    "torch": lambda graph, weights, _: torch_impl.set_weights(torch_impl.build(graph), weights),
    "keras": lambda graph, weights, _: keras_impl.set_weights(keras_impl.build(graph), weights),
    "torch.build": lambda graph, weights, _: torch_impl.build(graph, weights=weights),
    "keras.build": lambda graph, weights, _: keras_impl.build(graph, weights=weights),
    "onnx.build": lambda graph, weights, _: onnx_impl.build(graph, weights=weights),
    "file": save_weights,
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("kind", UNEQUAL)
def test_values_that_are_no_real_numbers_are_refused_by_name(norms, tmp_path, taker, kind):
    make, words = UNEQUAL[kind]
    weights = probe_weights(norms)
    with pytest.raises(WeightsError, match=rf"^'fc2\.bias' .*{words}") as caught:
        TAKERS[taker](norms, {**weights, "fc2.bias": make(weights["fc2.bias"])}, tmp_path / "w.safetensors")
    assert "\n" not in str(caught.value)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("kind", EQUAL)
def test_arrays_of_every_kind_are_taken_alike(norms, tmp_path, kind):
    whole = {name: np.rint(8 * values) for name, values in probe_weights(norms).items()}  # exact in every kind
    given = {name: EQUAL[kind](values) for name, values in whole.items()}
    save_weights(norms, given, tmp_path / "w.safetensors")
    same(load_weights(norms, tmp_path / "w.safetensors"), whole)
    for package in BUILDERS.values():
        model = package.build(norms)
        package.set_weights(model, given)
        same(package.get_weights(model), whole)
        same(package.get_weights(package.build(norms, weights=given)), whole)
    same(onnx_impl.get_weights(onnx_impl.build(norms, weights=given), norms), whole)


def test_get_weights_gives_copies(norms):
    for package in BUILDERS.values():
        model = package.build(norms)
        package.get_weights(model)["fc2.bias"][:] = 9
        assert not package.get_weights(model)["fc2.bias"].any()


def test_modules_are_pytorchs_own(norms):
    model = torch_impl.build(norms)
    seen = set()
    for node in norms:
        if type(node.op) in PARENTS:
            assert isinstance(model.get_submodule(node.name), PARENTS[type(node.op)])
            seen.add(type(node.op))
    assert seen == set(PARENTS)


def test_load_state_dict_from_plain_tensors(norms):
    """Without the version marks that PyTorch keeps in a state_dict of its own."""
    model, weights = torch_impl.build(norms), probe_weights(norms)
    result = model.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in weights.items()})
    assert not result.missing_keys
    assert not result.unexpected_keys
    same(weights, torch_impl.get_weights(model))
    torch_impl.build(norms).load_state_dict(model.state_dict())


@pytest.fixture(scope="module")
def served(norms):
    """A model in evaluation mode, images, and its logits."""
    model = torch_impl.build(norms, weights=probe(norms)).eval()
    images = torch.from_numpy(probe_images(norms, 8))
    with torch.no_grad():
        return model, images, model(images).numpy()


def as_deepcopy(model, images):
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.get_submodule("fc2").bias += 1
    assert not np.array_equal(twin(images).detach().numpy(), model(images).detach().numpy())
    return copy.deepcopy(model), images


def as_exported(model, images):
    program = torch.export.export(model, (images[:2],), dynamic_shapes=({0: torch.export.Dim("N")},))
    return program.module(), images


def as_channels_last(model, images):
    return copy.deepcopy(model).to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)


def as_float64(model, images):
    return copy.deepcopy(model).double(), images.double()


def as_autocast(model, images):
    def run(x):
        with torch.autocast("cpu", torch.bfloat16):
            y = model(x)
        assert y.dtype == torch.bfloat16
        return model(x)

    return run, images


@pytest.mark.parametrize("form", [as_deepcopy, as_exported, as_channels_last, as_float64, as_autocast])
def test_a_torch_model_is_an_ordinary_module(served, form):
    model, images, expected = served
    with torch.no_grad():
        other, inputs = form(model, images)
        difference = forward_difference(expected, other(inputs).numpy())
    assert difference.within, str(difference)


def test_float64_is_float64_throughout(norms):
    weights, images = probe(norms), probe_images(norms, 8).astype(np.float64)
    model = torch_impl.build(norms, weights=weights).double().eval()
    other = keras_impl.build(norms, weights=weights, dtype="float64")
    with torch.no_grad():
        one = model(torch.from_numpy(images)).numpy()
    two = keras.ops.convert_to_numpy(other(images.transpose(0, 2, 3, 1), training=False))
    assert one.dtype == two.dtype == np.float64
    assert tensor_difference({"logits": one}, {"logits": two}).within


def test_a_keras_model_trains_by_fit(norms, capsys):
    model = keras_impl.build(norms)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="sgd", loss=loss, jit_compile=False)
    images = probe_images(norms, 16).transpose(0, 2, 3, 1)
    before = keras_impl.get_weights(model)
    history = model.fit(images, np.arange(16) % 5, batch_size=8, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    after = keras_impl.get_weights(model)
    assert all(not np.array_equal(before[name], after[name]) for name in ("fc2.weight", "fc1.bn.running_var"))
    model.summary()
    assert "stem.conv1" in capsys.readouterr().out
